-- Lmod module: edit `base` to where the file `udocker` is.
local base = "/opt/udocker"
help([[udocker runs Docker and OCI containers as an ordinary user.]])
whatis("Name: udocker")
prepend_path("PATH", base)
