from spack.package import *


class Udocker(MakefilePackage):
    """Run Docker and OCI containers as an ordinary user, from one static file."""

    license("Apache-2.0")
    maintainers("udocker")
    version("2.0.0")

    def build(self, spec, prefix):
        make("all")

    def install(self, spec, prefix):
        mkdirp(prefix.bin)
        install("build/udocker", prefix.bin)
