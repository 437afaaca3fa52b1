# For a repository of Spack's. The tarball of this release must be in the current directory, or in a mirror.
import os

from spack.package import *

try:
    from spack_repo.builtin.build_systems.generic import Package
except ImportError:  # before Spack 1.0 it comes from spack.package
    pass


class Udocker(Package):
    """Run Docker and OCI containers as an ordinary user, from one static file."""

    url = f"file://{os.getcwd()}/udocker-@version@-@arch@.tar.gz"
    manual_download = True

    license("Apache-2.0")
    version("@version@", sha256="@sha256@")
    requires("target=@arch@:")

    def install(self, spec, prefix):
        Executable("sh")("install.sh", "--prefix", str(prefix))
