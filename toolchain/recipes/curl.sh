# libcurl: HTTP and HTTPS with mbedTLS, proxies, SOCKS; configured by curl.h. The threaded resolver makes time limits
# hold for names too.
needs="musl zlib mbedtls"
sources="curl curl-debian"

build() {
  unpack curl
  apply_debian curl 'gnutls|krb5|omit-directories|tool_|wcurl|SFTP'
  cd curl/lib
  cp "$TC/recipes/curl.h" curl_config.h
  static_library curl "$CFLAGS -std=gnu11 -fvisibility=hidden -DHAVE_CONFIG_H -DBUILDING_LIBCURL -DCURL_STATICLIB -I../include -I." \
    $(ls *.c curlx/*.c vauth/*.c vquic/*.c vssh/*.c vtls/*.c)
  mkdir -p "$OUT/include"
  cp -r ../include/curl "$OUT/include/"
  rm -f "$OUT"/include/curl/Makefile*
  licence curl ../COPYING
}
