/* The wolfSSL peer: see common.h. */
#include "common.h"

#include <fcntl.h>
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

static const struct {
    unsigned id;
    const char *name, *iana;
} SUITES[] = {
    {0xccac, "ECDHE-PSK-CHACHA20-POLY1305", "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256"},
    {0xccab, "PSK-CHACHA20-POLY1305", "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256"},
    {0x00ae, "PSK-AES128-CBC-SHA256", "TLS_PSK_WITH_AES_128_CBC_SHA256"},
    {0xc037, "ECDHE-PSK-AES128-CBC-SHA256", "TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256"},
    {0xc038, "ECDHE-PSK-AES256-CBC-SHA384", "TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA384"},
    {0xc0a8, "PSK-AES128-CCM-8", "TLS_PSK_WITH_AES_128_CCM_8"},
};
#define SUITE_COUNT (sizeof SUITES / sizeof *SUITES)

static WOLFSSL *ssl;

__attribute__((noreturn)) static void die_ssl(const char *what, int result)
{
    char text[WOLFSSL_MAX_ERROR_SZ];
    int error = wolfSSL_get_error(ssl, result);
    die("%s: %s (%d)", what, wolfSSL_ERR_error_string((unsigned long)error, text), error);
}

static unsigned client_key(WOLFSSL *s, const char *hint, char *identity, unsigned max_identity, unsigned char *psk,
                           unsigned max_psk)
{
    (void)s, (void)hint;
    if (strlen(options.identity) >= max_identity)
        return 0;
    strcpy(identity, options.identity);
    return copy_psk(psk, max_psk);
}

static unsigned server_key(WOLFSSL *s, const char *identity, unsigned char *psk, unsigned max_psk)
{
    (void)s;
    return strcmp(identity, options.identity) == 0 ? copy_psk(psk, max_psk) : 0;
}

/* Returns 1 if `name` is in the colon-separated `list`. */
static int is_listed(const char *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = list; (at = strstr(at, name)) != NULL; at += len)
        if ((at == list || at[-1] == ':') && (at[len] == ':' || at[len] == '\0'))
            return 1;
    return 0;
}

static void dtls_probe(void)
{
    static char list[16384];
    wolfSSL_Init();
    printf("version wolfSSL %s\n", wolfSSL_lib_version());
    if (wolfSSL_get_ciphers_iana(list, sizeof list) != WOLFSSL_SUCCESS)
        die("wolfSSL_get_ciphers_iana failed");
    for (size_t i = 0; i < SUITE_COUNT; i++)
        printf("suite %04x %s\n", SUITES[i].id,
               is_listed(list, SUITES[i].iana) ? "yes" : "no wolfSSL_get_ciphers_iana does not list it");
    printf("cannot server cookie 0 wolfSSL has no switch for it: its server always asks for a cookie\n");
}

/* Waits for a datagram, at most `timeout` milliseconds, and runs the retransmission timer. */
static int wait_for_datagram(int timeout)
{
    int until_due = wolfSSL_is_init_finished(ssl) ? RECORD_TIMEOUT : wolfSSL_dtls_get_current_timeout(ssl) * 1000;
    if (readable(until_due < timeout ? until_due : timeout))
        return 1;
    if (until_due >= timeout)
        return 0;
    int done = wolfSSL_dtls_got_timeout(ssl);
    if (done != WOLFSSL_SUCCESS)
        die_ssl("wolfSSL_dtls_got_timeout", done);
    return 1;
}

static void dtls_handshake(void)
{
    wolfSSL_Init();
    WOLFSSL_CTX *ctx = wolfSSL_CTX_new(options.server ? wolfDTLSv1_2_server_method() : wolfDTLSv1_2_client_method());
    if (ctx == NULL)
        die("wolfSSL_CTX_new failed");
    for (size_t i = 0; i < SUITE_COUNT; i++)
        if (SUITES[i].id == options.suite && wolfSSL_CTX_set_cipher_list(ctx, SUITES[i].name) != WOLFSSL_SUCCESS)
            die("wolfSSL_CTX_set_cipher_list(\"%s\") failed", SUITES[i].name);
    if (options.server) {
        wolfSSL_CTX_set_psk_server_callback(ctx, server_key);
        if (options.hint && wolfSSL_CTX_use_psk_identity_hint(ctx, options.hint) != WOLFSSL_SUCCESS)
            die("wolfSSL_CTX_use_psk_identity_hint failed");
    } else {
        wolfSSL_CTX_set_psk_client_callback(ctx, client_key);
    }
    if (!options.ems && wolfSSL_CTX_DisableExtendedMasterSecret(ctx) != WOLFSSL_SUCCESS)
        die("wolfSSL_CTX_DisableExtendedMasterSecret failed");
    if (wolfSSL_CTX_AllowEncryptThenMac(ctx, options.etm) != WOLFSSL_SUCCESS)
        die("wolfSSL_CTX_AllowEncryptThenMac failed");
    ssl = wolfSSL_new(ctx);
    if (ssl == NULL)
        die("wolfSSL_new failed");
    if (options.group) {
        word16 group = strcmp(options.group, "p256") == 0 ? WOLFSSL_ECC_SECP256R1 : WOLFSSL_ECC_X25519;
        if (wolfSSL_UseSupportedCurve(ssl, group) != WOLFSSL_SUCCESS)
            die("wolfSSL_UseSupportedCurve failed");
    }
    struct sockaddr_in peer;
    socklen_t len = sizeof peer;
    getpeername(options.fd, (struct sockaddr *)&peer, &len);
    fcntl(options.fd, F_SETFL, O_NONBLOCK);
    wolfSSL_dtls_set_peer(ssl, &peer, len);
    wolfSSL_set_fd(ssl, options.fd);
    wolfSSL_dtls_set_using_nonblock(ssl, 1);
    /* --mtu only limits the records: Debian builds wolfSSL without wolfSSL_dtls_set_mtu. */
    for (;;) {
        int done = wolfSSL_negotiate(ssl);
        if (done == WOLFSSL_SUCCESS)
            break;
        int error = wolfSSL_get_error(ssl, done);
        if (error != WOLFSSL_ERROR_WANT_READ && error != WOLFSSL_ERROR_WANT_WRITE)
            die_ssl("wolfSSL_negotiate", done);
        wait_for_datagram(RECORD_TIMEOUT);
    }
    unsigned suite = 0;
    const char *name = wolfSSL_get_cipher_name(ssl);
    for (size_t i = 0; i < SUITE_COUNT; i++)
        if (name != NULL && (strcmp(SUITES[i].name, name) == 0 || strcmp(SUITES[i].iana, name) == 0))
            suite = SUITES[i].id;
    /* wolfSSL does not report the negotiated extensions. */
    print_negotiated(suite, -1, -1);
}

static void dtls_send(const unsigned char *data, size_t len)
{
    int sent = wolfSSL_write(ssl, data, (int)len);
    if (sent != (int)len)
        die_ssl("wolfSSL_write", sent);
}

static int dtls_receive(unsigned char *data, size_t capacity, int timeout)
{
    long end = now_ms() + timeout;
    for (;;) {
        int got = wolfSSL_read(ssl, data, (int)capacity);
        if (got > 0)
            return got;
        int error = wolfSSL_get_error(ssl, got);
        if (error == WOLFSSL_ERROR_ZERO_RETURN)
            return CLOSED;
        if (error != WOLFSSL_ERROR_WANT_READ && error != WOLFSSL_ERROR_WANT_WRITE)
            die_ssl("wolfSSL_read", got);
        long left = end - now_ms();
        if (left <= 0 || !wait_for_datagram((int)left))
            return NOTHING;
    }
}

static void dtls_close(void)
{
    int done = wolfSSL_shutdown(ssl);
    if (done != WOLFSSL_SUCCESS && done != WOLFSSL_SHUTDOWN_NOT_DONE)
        die_ssl("wolfSSL_shutdown", done);
}
