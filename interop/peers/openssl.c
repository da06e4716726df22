/* The OpenSSL peer: see common.h. */
#include "common.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

static const struct {
    unsigned id;
    const char *name;
} SUITES[] = {
    {0xccac, "ECDHE-PSK-CHACHA20-POLY1305"}, {0xccab, "PSK-CHACHA20-POLY1305"},
    {0x00ae, "PSK-AES128-CBC-SHA256"},       {0xc037, "ECDHE-PSK-AES128-CBC-SHA256"},
    {0xc038, "ECDHE-PSK-AES256-CBC-SHA384"}, {0xc0a8, "PSK-AES128-CCM8"},
};
#define SUITE_COUNT (sizeof SUITES / sizeof *SUITES)

static SSL *ssl;
static unsigned char cookie[16];

__attribute__((noreturn)) static void die_ssl(const char *what)
{
    unsigned long error = ERR_get_error();
    die("%s: %s", what, error != 0 ? ERR_error_string(error, NULL) : strerror(errno));
}

static unsigned client_key(SSL *s, const char *hint, char *identity, unsigned max_identity, unsigned char *psk,
                           unsigned max_psk)
{
    (void)s, (void)hint;
    if (strlen(options.identity) >= max_identity)
        return 0;
    strcpy(identity, options.identity);
    return copy_psk(psk, max_psk);
}

static unsigned server_key(SSL *s, const char *identity, unsigned char *psk, unsigned max_psk)
{
    (void)s;
    return strcmp(identity, options.identity) == 0 ? copy_psk(psk, max_psk) : 0;
}

static int make_cookie(SSL *s, unsigned char *out, unsigned *len)
{
    (void)s;
    memcpy(out, cookie, sizeof cookie);
    *len = sizeof cookie;
    return 1;
}

static int verify_cookie(SSL *s, const unsigned char *got, unsigned len)
{
    (void)s;
    return len == sizeof cookie && memcmp(got, cookie, len) == 0;
}

static SSL_CTX *context(void)
{
    SSL_CTX *ctx = SSL_CTX_new(DTLS_method());
    if (ctx == NULL)
        die_ssl("SSL_CTX_new");
    SSL_CTX_set_min_proto_version(ctx, DTLS1_2_VERSION);
    SSL_CTX_set_max_proto_version(ctx, DTLS1_2_VERSION);
    SSL_CTX_set_psk_client_callback(ctx, client_key);
    SSL_CTX_set_psk_server_callback(ctx, server_key);
    return ctx;
}

static void dtls_probe(void)
{
    printf("version OpenSSL %s\n", OpenSSL_version(OPENSSL_VERSION_STRING));
    for (size_t i = 0; i < SUITE_COUNT; i++) {
        SSL_CTX *ctx = context();
        if (SSL_CTX_set_cipher_list(ctx, SUITES[i].name) == 1)
            printf("suite %04x yes\n", SUITES[i].id);
        else
            printf("suite %04x no SSL_CTX_set_cipher_list(\"%s\"): %s\n", SUITES[i].id, SUITES[i].name,
                   ERR_reason_error_string(ERR_get_error()));
        SSL_CTX_free(ctx);
    }
}

/* Waits for a datagram, at most `timeout` milliseconds, and runs the retransmission timer. */
static int wait_for_datagram(int timeout)
{
    struct timeval due;
    int until_due = RECORD_TIMEOUT;
    if (DTLSv1_get_timeout(ssl, &due))
        until_due = (int)(due.tv_sec * 1000 + due.tv_usec / 1000 + 1);
    if (readable(until_due < timeout ? until_due : timeout))
        return 1;
    if (DTLSv1_handle_timeout(ssl) < 0)
        die_ssl("DTLSv1_handle_timeout");
    return until_due < timeout;
}

static void dtls_handshake(void)
{
    SSL_CTX *ctx = context();
    for (size_t i = 0; i < SUITE_COUNT; i++)
        if (SUITES[i].id == options.suite && SSL_CTX_set_cipher_list(ctx, SUITES[i].name) != 1)
            die_ssl("SSL_CTX_set_cipher_list");
    SSL_CTX_set_options(ctx, SSL_OP_NO_QUERY_MTU);
    if (!options.ems)
        SSL_CTX_set_options(ctx, SSL_OP_NO_EXTENDED_MASTER_SECRET);
    if (!options.etm)
        SSL_CTX_set_options(ctx, SSL_OP_NO_ENCRYPT_THEN_MAC);
    if (options.group &&
        SSL_CTX_set1_groups_list(ctx, strcmp(options.group, "p256") == 0 ? "P-256" : "X25519") != 1)
        die_ssl("SSL_CTX_set1_groups_list");
    if (options.server) {
        if (RAND_bytes(cookie, sizeof cookie) != 1)
            die_ssl("RAND_bytes");
        SSL_CTX_set_cookie_generate_cb(ctx, make_cookie);
        SSL_CTX_set_cookie_verify_cb(ctx, verify_cookie);
        if (options.cookie)
            SSL_CTX_set_options(ctx, SSL_OP_COOKIE_EXCHANGE);
        if (options.hint && SSL_CTX_use_psk_identity_hint(ctx, options.hint) != 1)
            die_ssl("SSL_CTX_use_psk_identity_hint");
    }
    ssl = SSL_new(ctx);
    struct sockaddr_in peer;
    socklen_t len = sizeof peer;
    getpeername(options.fd, (struct sockaddr *)&peer, &len);
    BIO *bio = BIO_new_dgram(options.fd, BIO_NOCLOSE);
    BIO_ctrl(bio, BIO_CTRL_DGRAM_SET_CONNECTED, 0, &peer);
    BIO_socket_nbio(options.fd, 1);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_mtu(ssl, options.mtu);
    if (options.server)
        SSL_set_accept_state(ssl);
    else
        SSL_set_connect_state(ssl);
    for (;;) {
        int done = SSL_do_handshake(ssl);
        if (done == 1)
            break;
        int error = SSL_get_error(ssl, done);
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
            die_ssl("SSL_do_handshake");
        wait_for_datagram(RECORD_TIMEOUT);
    }
    /* OpenSSL does not report whether encrypt-then-MAC was negotiated. */
    unsigned suite = SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl));
    print_negotiated(suite, SSL_get_extms_support(ssl) == 1, -1);
}

static void dtls_send(const unsigned char *data, size_t len)
{
    if (SSL_write(ssl, data, (int)len) != (int)len)
        die_ssl("SSL_write");
}

static int dtls_receive(unsigned char *data, size_t capacity, int timeout)
{
    long end = now_ms() + timeout;
    for (;;) {
        int got = SSL_read(ssl, data, (int)capacity);
        if (got > 0)
            return got;
        int error = SSL_get_error(ssl, got);
        if (error == SSL_ERROR_ZERO_RETURN)
            return CLOSED;
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
            die_ssl("SSL_read");
        long left = end - now_ms();
        if (left <= 0 || !wait_for_datagram((int)left))
            return NOTHING;
    }
}

static void dtls_close(void)
{
    if (SSL_shutdown(ssl) < 0)
        die_ssl("SSL_shutdown");
}
