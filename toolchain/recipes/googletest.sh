# GoogleTest and GoogleMock, for the unit tests only.
needs="musl libstdcxx"
sources="googletest"

build() {
  unpack googletest
  cd googletest
  flags="$CFLAGS -O1 -std=c++17 -Igoogletest/include -Igoogletest -Igooglemock/include -Igooglemock"
  static_library gtest "$flags" googletest/src/gtest-all.cc
  static_library gtest_main "$flags" googletest/src/gtest_main.cc
  static_library gmock "$flags" googlemock/src/gmock-all.cc
  mkdir -p "$OUT/include"
  cp -r googletest/include/gtest googlemock/include/gmock "$OUT/include/"
  licence googletest LICENSE
}
