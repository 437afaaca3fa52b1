# mbedTLS 3.6: TLS 1.2 and 1.3, digests. Its own configuration with threads added and what a client never needs left out.
needs="musl"
sources="mbedtls"

build() {
  unpack mbedtls
  apply_own mbedtls
  cd mbedtls
  # Kept in the header itself, so that whoever includes it later sees the same configuration.
  cat >>include/mbedtls/mbedtls_config.h <<'EOF'
#define MBEDTLS_THREADING_C
#define MBEDTLS_THREADING_PTHREAD
#undef MBEDTLS_SSL_PROTO_DTLS
#undef MBEDTLS_SSL_DTLS_ANTI_REPLAY
#undef MBEDTLS_SSL_DTLS_HELLO_VERIFY
#undef MBEDTLS_SSL_DTLS_CLIENT_PORT_REUSE
#undef MBEDTLS_SSL_DTLS_CONNECTION_ID
#undef MBEDTLS_SSL_DTLS_CONNECTION_ID_COMPAT
#undef MBEDTLS_PSA_CRYPTO_STORAGE_C
#undef MBEDTLS_PSA_ITS_FILE_C
#undef MBEDTLS_SELF_TEST
#undef MBEDTLS_LMS_C
EOF
  flags="$CFLAGS -std=gnu11 -Iinclude -Ilibrary"
  tls="library/debug.c library/mps_reader.c library/mps_trace.c library/net_sockets.c $(ls library/ssl_*.c)"
  x509="library/pkcs7.c $(ls library/x509*.c)"
  crypto=$(ls library/*.c | grep -vxF "$(printf '%s\n' $tls $x509)")
  static_library mbedtls "$flags" $tls
  static_library mbedx509 "$flags" $x509
  static_library mbedcrypto "$flags" $crypto
  mkdir -p "$OUT/include"
  cp -r include/mbedtls include/psa "$OUT/include/"
  licence mbedtls LICENSE
}
