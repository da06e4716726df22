/* The GnuTLS peer: see common.h. */
#include "common.h"

#include <gnutls/dtls.h>
#include <gnutls/gnutls.h>

static const struct {
    unsigned id;
    const char *priority;
} SUITES[] = {
    {0xccac, "+CHACHA20-POLY1305:+AEAD:+ECDHE-PSK"}, {0xccab, "+CHACHA20-POLY1305:+AEAD:+PSK"},
    {0x00ae, "+AES-128-CBC:+SHA256:+PSK"},           {0xc037, "+AES-128-CBC:+SHA256:+ECDHE-PSK"},
    {0xc038, "+AES-256-CBC:+SHA384:+ECDHE-PSK"},     {0xc0a8, "+AES-128-CCM-8:+AEAD:+PSK"},
};
#define SUITE_COUNT (sizeof SUITES / sizeof *SUITES)

static gnutls_session_t session;

static void must(int result, const char *what)
{
    if (result < 0)
        die("%s: %s", what, gnutls_strerror(result));
}

static void dtls_probe(void)
{
    printf("version GnuTLS %s\n", gnutls_check_version(NULL));
    for (size_t i = 0; i < SUITE_COUNT; i++) {
        unsigned char id[2];
        int found = 0;
        for (size_t n = 0; gnutls_cipher_suite_info(n, id, NULL, NULL, NULL, NULL) != NULL; n++)
            found |= ((unsigned)id[0] << 8 | id[1]) == SUITES[i].id;
        printf("suite %04x %s\n", SUITES[i].id, found ? "yes" : "no gnutls_cipher_suite_info does not list it");
    }
}

static int server_key(gnutls_session_t s, const char *identity, gnutls_datum_t *key)
{
    (void)s;
    if (strcmp(identity, options.identity) != 0)
        return -1;
    key->data = gnutls_malloc(options.psk_len);
    key->size = (unsigned)options.psk_len;
    memcpy(key->data, options.psk, options.psk_len);
    return 0;
}

static ssize_t push(gnutls_transport_ptr_t fd, const void *data, size_t len)
{
    return send((int)(intptr_t)fd, data, len, 0);
}

/* Sends HelloVerifyRequests until a valid cookie arrives. */
static void exchange_cookies(gnutls_dtls_prestate_st *state)
{
    gnutls_datum_t key;
    unsigned char datagram[2048];
    must(gnutls_key_generate(&key, GNUTLS_COOKIE_KEY_SIZE), "gnutls_key_generate");
    for (;;) {
        if (!readable(RECORD_TIMEOUT))
            die("no hello with a valid cookie came");
        ssize_t len = recv(options.fd, datagram, sizeof datagram, MSG_PEEK);
        if (len > 0 && gnutls_dtls_cookie_verify(&key, "peer", 4, datagram, (size_t)len, state) >= 0)
            return;
        (void)!recv(options.fd, datagram, sizeof datagram, 0);
        memset(state, 0, sizeof *state);
        gnutls_transport_ptr_t fd = (gnutls_transport_ptr_t)(intptr_t)options.fd;
        must(gnutls_dtls_cookie_send(&key, "peer", 4, state, fd, push), "gnutls_dtls_cookie_send");
    }
}

static void dtls_handshake(void)
{
    char priority[256] = "";
    const char *error = NULL, *suite = "";
    for (size_t i = 0; i < SUITE_COUNT; i++)
        if (SUITES[i].id == options.suite)
            suite = SUITES[i].priority;
    const char *group = options.group == NULL                   ? "+GROUP-X25519:+GROUP-SECP256R1"
                        : strcmp(options.group, "p256") == 0 ? "+GROUP-SECP256R1"
                                                             : "+GROUP-X25519";
    snprintf(priority, sizeof priority, "NONE:+VERS-DTLS1.2:+COMP-NULL:+SIGN-ALL:%s:%s%s%s", suite, group,
             options.ems ? "" : ":%NO_SESSION_HASH", options.etm ? "" : ":%NO_ETM");
    must(gnutls_init(&session, GNUTLS_DATAGRAM | (options.server ? GNUTLS_SERVER : GNUTLS_CLIENT)), "gnutls_init");
    int done = gnutls_priority_set_direct(session, priority, &error);
    if (done < 0)
        die("gnutls_priority_set_direct(%s): %s", priority, gnutls_strerror(done));
    if (options.server) {
        gnutls_psk_server_credentials_t credentials;
        must(gnutls_psk_allocate_server_credentials(&credentials), "gnutls_psk_allocate_server_credentials");
        gnutls_psk_set_server_credentials_function(credentials, server_key);
        if (options.hint)
            must(gnutls_psk_set_server_credentials_hint(credentials, options.hint), "the hint");
        must(gnutls_credentials_set(session, GNUTLS_CRD_PSK, credentials), "gnutls_credentials_set");
    } else {
        gnutls_psk_client_credentials_t credentials;
        gnutls_datum_t key = {options.psk, (unsigned)options.psk_len};
        must(gnutls_psk_allocate_client_credentials(&credentials), "gnutls_psk_allocate_client_credentials");
        must(gnutls_psk_set_client_credentials(credentials, options.identity, &key, GNUTLS_PSK_KEY_RAW),
             "gnutls_psk_set_client_credentials");
        must(gnutls_credentials_set(session, GNUTLS_CRD_PSK, credentials), "gnutls_credentials_set");
    }
    gnutls_transport_set_int(session, options.fd);
    gnutls_dtls_set_mtu(session, (unsigned)options.mtu);
    if (options.server && options.cookie) {
        gnutls_dtls_prestate_st state = {0};
        exchange_cookies(&state);
        gnutls_dtls_prestate_set(session, &state);
    }
    do
        done = gnutls_handshake(session);
    while (done < 0 && !gnutls_error_is_fatal(done));
    if (done == GNUTLS_E_FATAL_ALERT_RECEIVED)
        die("gnutls_handshake: alert %s", gnutls_alert_get_name(gnutls_alert_get(session)));
    must(done, "gnutls_handshake");
    unsigned char id[2];
    unsigned negotiated = 0;
    gnutls_kx_algorithm_t kx;
    gnutls_cipher_algorithm_t cipher;
    gnutls_mac_algorithm_t mac;
    for (size_t n = 0; gnutls_cipher_suite_info(n, id, &kx, &cipher, &mac, NULL) != NULL; n++)
        if (kx == gnutls_kx_get(session) && cipher == gnutls_cipher_get(session) && mac == gnutls_mac_get(session))
            negotiated = (unsigned)id[0] << 8 | id[1];
    print_negotiated(negotiated, gnutls_session_ext_master_secret_status(session) != 0,
                     gnutls_session_etm_status(session) != 0);
}

static void dtls_send(const unsigned char *data, size_t len)
{
    ssize_t sent = gnutls_record_send(session, data, len);
    if (sent != (ssize_t)len)
        die("gnutls_record_send: %s", gnutls_strerror((int)sent));
}

static int dtls_receive(unsigned char *data, size_t capacity, int timeout)
{
    long end = now_ms() + timeout;
    for (;;) {
        long left = end - now_ms();
        if (left <= 0)
            return NOTHING;
        gnutls_record_set_timeout(session, (unsigned)left);
        ssize_t got = gnutls_record_recv(session, data, capacity);
        if (got > 0)
            return (int)got;
        if (got == 0)
            return CLOSED;
        if (got == GNUTLS_E_TIMEDOUT)
            return NOTHING;
        if (gnutls_error_is_fatal((int)got))
            die("gnutls_record_recv: %s", gnutls_strerror((int)got));
    }
}

static void dtls_close(void)
{
    must(gnutls_bye(session, GNUTLS_SHUT_WR), "gnutls_bye");
}
