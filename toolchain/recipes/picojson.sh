# picojson: one header.
needs="musl"
sources="picojson"

build() {
  unpack picojson
  mkdir -p "$OUT/include"
  cp picojson/picojson.h "$OUT/include/"
  licence picojson picojson/LICENSE
}
