/* The mbed TLS peer: see common.h. */
#include "common.h"

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/ssl.h>
#include <mbedtls/ssl_ciphersuites.h>
#include <mbedtls/ssl_cookie.h>
#include <mbedtls/timing.h>
#include <mbedtls/version.h>

static const unsigned SUITES[] = {0xccac, 0xccab, 0x00ae, 0xc037, 0xc038, 0xc0a8};

static mbedtls_ssl_context ssl;
static mbedtls_ssl_config config;
static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context random_generator;
static mbedtls_ssl_cookie_ctx cookies;
static mbedtls_timing_delay_context timer;

static void must(int result, const char *what)
{
    char text[128];
    if (result >= 0)
        return;
    mbedtls_strerror(result, text, sizeof text);
    die("%s: %s (-0x%04x)", what, text, (unsigned)-result);
}

static void dtls_probe(void)
{
    char version[32];
    mbedtls_version_get_string_full(version);
    printf("version %s\n", version);
    for (size_t i = 0; i < sizeof SUITES / sizeof *SUITES; i++) {
        int found = 0;
        for (const int *id = mbedtls_ssl_list_ciphersuites(); *id != 0; id++)
            found |= (unsigned)*id == SUITES[i];
        printf("suite %04x %s\n", SUITES[i], found ? "yes" : "no mbedtls_ssl_list_ciphersuites does not list it");
    }
}

static int push(void *context, const unsigned char *data, size_t len)
{
    (void)context;
    ssize_t sent = send(options.fd, data, len, 0);
    /* A failure counts as a lost datagram. */
    return sent < 0 ? (int)len : (int)sent;
}

static int pull(void *context, unsigned char *data, size_t capacity, uint32_t timeout)
{
    (void)context;
    /* A timeout of zero disables it. */
    if (!readable(timeout == 0 ? RECORD_TIMEOUT : (int)timeout))
        return MBEDTLS_ERR_SSL_TIMEOUT;
    ssize_t got = recv(options.fd, data, capacity, 0);
    return got < 0 ? MBEDTLS_ERR_SSL_WANT_READ : (int)got;
}

static void set_up(void)
{
    static int suites[2];
    static mbedtls_ecp_group_id groups[2] = {MBEDTLS_ECP_DP_CURVE25519, MBEDTLS_ECP_DP_NONE};
    mbedtls_ssl_init(&ssl);
    mbedtls_ssl_config_init(&config);
    mbedtls_entropy_init(&entropy);
    mbedtls_ctr_drbg_init(&random_generator);
    must(mbedtls_ctr_drbg_seed(&random_generator, mbedtls_entropy_func, &entropy, NULL, 0), "mbedtls_ctr_drbg_seed");
    must(mbedtls_ssl_config_defaults(&config, options.server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT,
                                     MBEDTLS_SSL_TRANSPORT_DATAGRAM, MBEDTLS_SSL_PRESET_DEFAULT),
         "mbedtls_ssl_config_defaults");
    mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random_generator);
    mbedtls_ssl_conf_min_version(&config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    suites[0] = (int)options.suite;
    mbedtls_ssl_conf_ciphersuites(&config, suites);
    must(mbedtls_ssl_conf_psk(&config, options.psk, options.psk_len, (const unsigned char *)options.identity,
                              strlen(options.identity)),
         "mbedtls_ssl_conf_psk");
    mbedtls_ssl_conf_extended_master_secret(&config, options.ems ? MBEDTLS_SSL_EXTENDED_MS_ENABLED
                                                                 : MBEDTLS_SSL_EXTENDED_MS_DISABLED);
    mbedtls_ssl_conf_encrypt_then_mac(&config, options.etm ? MBEDTLS_SSL_ETM_ENABLED : MBEDTLS_SSL_ETM_DISABLED);
    if (options.group) {
        if (strcmp(options.group, "p256") == 0)
            groups[0] = MBEDTLS_ECP_DP_SECP256R1;
        mbedtls_ssl_conf_curves(&config, groups);
    }
    if (options.server && options.cookie) {
        mbedtls_ssl_cookie_init(&cookies);
        must(mbedtls_ssl_cookie_setup(&cookies, mbedtls_ctr_drbg_random, &random_generator), "mbedtls_ssl_cookie_setup");
        mbedtls_ssl_conf_dtls_cookies(&config, mbedtls_ssl_cookie_write, mbedtls_ssl_cookie_check, &cookies);
    } else if (options.server) {
        mbedtls_ssl_conf_dtls_cookies(&config, NULL, NULL, NULL);
    }
    must(mbedtls_ssl_setup(&ssl, &config), "mbedtls_ssl_setup");
    mbedtls_ssl_set_mtu(&ssl, (uint16_t)options.mtu);
    mbedtls_ssl_set_timer_cb(&ssl, &timer, mbedtls_timing_set_delay, mbedtls_timing_get_delay);
    mbedtls_ssl_set_bio(&ssl, NULL, push, NULL, pull);
}

static int again(int result)
{
    return result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE;
}

static void dtls_handshake(void)
{
    int done;
    set_up();
    do {
        if (options.server)
            must(mbedtls_ssl_set_client_transport_id(&ssl, (const unsigned char *)"peer", 4),
                 "mbedtls_ssl_set_client_transport_id");
        do
            done = mbedtls_ssl_handshake(&ssl);
        while (again(done));
        if (done == MBEDTLS_ERR_SSL_HELLO_VERIFY_REQUIRED)
            must(mbedtls_ssl_session_reset(&ssl), "mbedtls_ssl_session_reset");
    } while (done == MBEDTLS_ERR_SSL_HELLO_VERIFY_REQUIRED);
    must(done, "mbedtls_ssl_handshake");
    /* A late copy of the hello with a valid cookie looks like a new client on the same port (RFC 6347
     * section 4.2.8) and ends this connection, unless cookies cannot be checked. */
    if (options.server)
        mbedtls_ssl_conf_dtls_cookies(&config, NULL, NULL, NULL);
    /* mbed TLS does not report the negotiated extensions. */
    int suite = mbedtls_ssl_get_ciphersuite_id(mbedtls_ssl_get_ciphersuite(&ssl));
    print_negotiated((unsigned)suite, -1, -1);
}

static void dtls_send(const unsigned char *data, size_t len)
{
    int sent;
    do
        sent = mbedtls_ssl_write(&ssl, data, len);
    while (again(sent));
    must(sent, "mbedtls_ssl_write");
    if (sent != (int)len)
        die("mbedtls_ssl_write: %d of %zu bytes", sent, len);
}

static int dtls_receive(unsigned char *data, size_t capacity, int timeout)
{
    long end = now_ms() + timeout;
    for (;;) {
        long left = end - now_ms();
        if (left <= 0)
            return NOTHING;
        mbedtls_ssl_conf_read_timeout(&config, (uint32_t)left);
        int got = mbedtls_ssl_read(&ssl, data, capacity);
        if (got > 0)
            return got;
        if (got == 0 || got == MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY)
            return CLOSED;
        if (got == MBEDTLS_ERR_SSL_TIMEOUT)
            return NOTHING;
        if (!again(got))
            must(got, "mbedtls_ssl_read");
    }
}

static void dtls_close(void)
{
    must(mbedtls_ssl_close_notify(&ssl), "mbedtls_ssl_close_notify");
}
