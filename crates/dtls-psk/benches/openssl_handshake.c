// Measures a DTLS 1.2 PSK handshake of OpenSSL's client and server, in memory and in one thread, with a
// cookie exchange and X25519, like benches/record.rs. `cargo xtask bench` builds and runs it.
//
//     cc -O2 openssl_handshake.c -lssl -lcrypto && ./a.out
//
// Prints a line for each suite: its name, and the median times of client and server in nanoseconds.

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 2000, WARM_UP = 200 };

static const char IDENTITY[] = "a device";
static const unsigned char KEY[32] = {7};
static const unsigned char COOKIE[32] = {9};

static const char *const SUITES[][2] = {
    {"ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-PSK-CHACHA20-POLY1305"},
    {"ECDHE_PSK_WITH_AES_256_CBC_SHA384", "ECDHE-PSK-AES256-CBC-SHA384"},
    {"ECDHE_PSK_WITH_AES_128_CBC_SHA256", "ECDHE-PSK-AES128-CBC-SHA256"},
    {"PSK_WITH_CHACHA20_POLY1305_SHA256", "PSK-CHACHA20-POLY1305"},
    {"PSK_WITH_AES_128_CCM_8", "PSK-AES128-CCM8"},
    {"PSK_WITH_AES_128_CBC_SHA256", "PSK-AES128-CBC-SHA256"},
};

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static unsigned int client_psk(SSL *ssl, const char *hint, char *identity, unsigned int identity_len,
                               unsigned char *psk, unsigned int psk_len) {
    (void)ssl, (void)hint;
    if (identity_len < sizeof IDENTITY || psk_len < sizeof KEY) return 0;
    memcpy(identity, IDENTITY, sizeof IDENTITY);
    memcpy(psk, KEY, sizeof KEY);
    return sizeof KEY;
}

static unsigned int server_psk(SSL *ssl, const char *identity, unsigned char *psk, unsigned int psk_len) {
    (void)ssl;
    if (strcmp(identity, IDENTITY) != 0 || psk_len < sizeof KEY) return 0;
    memcpy(psk, KEY, sizeof KEY);
    return sizeof KEY;
}

static int make_cookie(SSL *ssl, unsigned char *cookie, unsigned int *len) {
    (void)ssl;
    memcpy(cookie, COOKIE, sizeof COOKIE);
    *len = sizeof COOKIE;
    return 1;
}

static int check_cookie(SSL *ssl, const unsigned char *cookie, unsigned int len) {
    (void)ssl;
    return len == sizeof COOKIE && memcmp(cookie, COOKIE, len) == 0;
}

static SSL_CTX *context(const SSL_METHOD *method, const char *cipher) {
    SSL_CTX *ctx = SSL_CTX_new(method);
    if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, DTLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(ctx, cipher) != 1 || SSL_CTX_set1_groups_list(ctx, "X25519") != 1)
        fail(cipher);
    SSL_CTX_set_options(ctx, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    return ctx;
}

static SSL *end(SSL_CTX *ctx, BIO *in, BIO *out) {
    SSL *ssl = SSL_new(ctx);
    if (ssl == NULL) fail("SSL_new");
    BIO_up_ref(in);
    BIO_up_ref(out);
    SSL_set_bio(ssl, in, out);
    SSL_set_mtu(ssl, 1400);
    return ssl;
}

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void step(SSL *ssl) {
    int result = SSL_do_handshake(ssl);
    if (result != 1 && SSL_get_error(ssl, result) != SSL_ERROR_WANT_READ) fail("handshake");
}

static int compare(const void *a, const void *b) {
    long long x = *(const long long *)a, y = *(const long long *)b;
    return (x > y) - (x < y);
}

int main(void) {
    static long long client_times[ROUNDS], server_times[ROUNDS];
    for (size_t suite = 0; suite < sizeof SUITES / sizeof SUITES[0]; suite++) {
        SSL_CTX *client_ctx = context(DTLS_client_method(), SUITES[suite][1]);
        SSL_CTX *server_ctx = context(DTLS_server_method(), SUITES[suite][1]);
        SSL_CTX_set_psk_client_callback(client_ctx, client_psk);
        SSL_CTX_set_psk_server_callback(server_ctx, server_psk);
        SSL_CTX_set_options(server_ctx, SSL_OP_COOKIE_EXCHANGE);
        SSL_CTX_set_cookie_generate_cb(server_ctx, make_cookie);
        SSL_CTX_set_cookie_verify_cb(server_ctx, check_cookie);
        for (int round = -WARM_UP; round < ROUNDS; round++) {
            long long client_time = 0, server_time = 0;
            BIO *up = BIO_new(BIO_s_mem()), *down = BIO_new(BIO_s_mem());
            BIO_set_mem_eof_return(up, -1);
            BIO_set_mem_eof_return(down, -1);
            long long start = now();
            SSL *client = end(client_ctx, down, up);
            SSL_set_connect_state(client);
            long long middle = now();
            SSL *server = end(server_ctx, up, down);
            SSL_set_accept_state(server);
            client_time += middle - start;
            server_time += now() - middle;
            while (!SSL_is_init_finished(client) || !SSL_is_init_finished(server)) {
                start = now();
                step(client);
                middle = now();
                step(server);
                client_time += middle - start;
                server_time += now() - middle;
            }
            SSL_free(client);
            SSL_free(server);
            BIO_free(up);
            BIO_free(down);
            if (round >= 0) {
                client_times[round] = client_time;
                server_times[round] = server_time;
            }
        }
        qsort(client_times, ROUNDS, sizeof client_times[0], compare);
        qsort(server_times, ROUNDS, sizeof server_times[0], compare);
        printf("%s %lld %lld\n", SUITES[suite][0], client_times[ROUNDS / 2], server_times[ROUNDS / 2]);
        SSL_CTX_free(client_ctx);
        SSL_CTX_free(server_ctx);
    }
    return 0;
}
