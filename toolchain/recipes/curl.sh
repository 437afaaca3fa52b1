# libcurl: HTTP and HTTPS with mbedTLS, proxies, SOCKS; the threaded resolver, so that time limits hold for names too.
needs="musl libstdcxx zlib mbedtls"
sources="curl curl-debian"

build() {
  unpack curl
  apply_debian curl 'gnutls|krb5|omit-directories|tool_|wcurl|SFTP'
  mkdir b
  cd b
  off=
  for f in shared optimize debug ftp file ipfs ldap ldaps rtsp dict telnet tftp pop3 imap smb smtp gopher mqtt manual docs \
    libcurl-option libgcc kerberos-auth negotiate-auth aws ntlm tls-srp doh mime form-api dnsshuffle get-easy-options alt-svc hsts \
    websockets sspi openssl-auto-load-config ca-search ares; do off="$off --disable-$f"; done
  for f in brotli zstd libpsl libidn2 nghttp2 libssh2 librtmp libgsasl ca-bundle ca-path zsh-functions-dir fish-functions-dir; do off="$off --without-$f"; done
  ../curl/configure --quiet --host="$TC_TARGET" --build="$(uname -m)-linux-gnu" --prefix=/ --disable-dependency-tracking $off \
    --with-mbedtls="$STAGE" --with-zlib="$STAGE" --enable-threaded-resolver --enable-unix-sockets --enable-ipv6 --enable-symbol-hiding \
    CC="$CC" AR="$AR" RANLIB="$RANLIB" CFLAGS="$CFLAGS"
  make -C lib V=0
  mkdir -p "$OUT/lib" "$OUT/include"
  mkdir o
  (cd o && "$AR" x ../lib/.libs/libcurl.a && "$AR" rcD "$OUT/lib/libcurl.a" $(ls *.o | sort))
  cp -r ../curl/include/curl "$OUT/include/"
  rm -f "$OUT"/include/curl/Makefile*
  licence curl ../curl/COPYING
}
