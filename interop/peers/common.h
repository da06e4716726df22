/* The shared part of the peers: arguments, a UDP socket, the test application, and the report.
 *
 *   PEER probe
 *   PEER client|server PORT --suite HEX --psk HEX --identity TEXT [--hint TEXT] --cookie 0|1 --ems 0|1
 *        --etm 0|1 [--group x25519|p256] --mtu N --bytes N [--lossy]
 *
 * The test application: the client sends numbered records of at most 1000 bytes in windows of 16. The
 * server echoes each record. The client waits for the echoes of a window before the next. Then the client
 * sends close_notify and waits for the server's. Both check every byte. With --lossy, records may be
 * missing and out of order, but not changed or duplicated.
 *
 * Lines on stdout: "port N" (a server, once it is bound), "negotiated suite=HEX ems=0|1|? etm=0|1|?",
 * "closed sent=N received=N". Errors go to stderr. The exit code is 0 only on success.
 *
 * Each peer includes this file and defines the five functions declared below. */
#ifndef COMMON_H
#define COMMON_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Seconds after which a process that hangs is killed. */
#define LIMIT 120
/* Milliseconds without a record after which a lossless cell fails. */
#define RECORD_TIMEOUT 60000
/* Milliseconds without a record after which the rest of a window counts as lost, with --lossy. */
#define SILENCE 80
#define WINDOW 16
#define MAX_RECORD 1000
/* More than the header, explicit IV, padding and MAC of a record in any suite. */
#define MAX_OVERHEAD 120
#define MAX_RECORDS 65536

/* Return values of dtls_receive other than a length. */
#define NOTHING 0
#define CLOSED (-1)

struct options {
    int server;
    int port;
    unsigned suite;
    unsigned char psk[64];
    size_t psk_len;
    const char *identity;
    const char *hint;
    int cookie, ems, etm;
    const char *group;
    int mtu;
    long bytes;
    int lossy;
    int fd; /* connected to the other side */
};

static struct options options = {.identity = "", .cookie = 1, .ems = 1, .etm = 1, .mtu = 1200};

/* Prints "version TEXT", for each suite "suite HEX yes" or "suite HEX no WHY", and for each switch that the
 * library lacks "cannot client|server cookie|ems|etm|group VALUE WHY". */
static void dtls_probe(void);
/* Runs the handshake and prints "negotiated ...". */
static void dtls_handshake(void);
static void dtls_send(const unsigned char *data, size_t len);
/* Returns the length of a record, NOTHING after `timeout` milliseconds, or CLOSED after the peer's
 * close_notify. */
static int dtls_receive(unsigned char *data, size_t capacity, int timeout);
/* Sends close_notify. */
static void dtls_close(void);

__attribute__((noreturn, format(printf, 1, 2))) static void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

__attribute__((unused)) static long now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000L + t.tv_nsec / 1000000L;
}

/* Returns 1 if a datagram arrives within `timeout` milliseconds. */
__attribute__((unused)) static int readable(int timeout)
{
    struct pollfd p = {.fd = options.fd, .events = POLLIN};
    return poll(&p, 1, timeout < 0 ? 0 : timeout) > 0;
}

/* Copies the pre-shared key. Returns its length, or 0 if it does not fit. */
__attribute__((unused)) static unsigned copy_psk(unsigned char *psk, unsigned max_psk)
{
    if (options.psk_len > max_psk)
        return 0;
    memcpy(psk, options.psk, options.psk_len);
    return (unsigned)options.psk_len;
}

__attribute__((unused)) static void print_negotiated(unsigned suite, int ems, int etm)
{
    const char *names[] = {"?", "0", "1"};
    printf("negotiated suite=%04x ems=%s etm=%s\n", suite, names[ems + 1], names[etm + 1]);
    fflush(stdout);
}

static void fill(unsigned char *record, size_t len, uint32_t number)
{
    for (size_t i = 0; i < len; i++)
        record[i] = (unsigned char)(number * 31 + i * 7 + (i >> 8));
    for (int i = 0; i < 4; i++)
        record[i] = (unsigned char)(number >> (24 - 8 * i));
}

static size_t record_len(void)
{
    int room = options.mtu - MAX_OVERHEAD;
    return room < MAX_RECORD ? (size_t)room : MAX_RECORD;
}

static uint32_t record_count(void)
{
    long len = (long)record_len(), count = (options.bytes + len - 1) / len;
    if (count > MAX_RECORDS)
        die("--bytes: value too large");
    return (uint32_t)count;
}

static unsigned char seen[MAX_RECORDS];

/* Checks the bytes of a record, that it is not a duplicate, and without --lossy its order. */
static void check(const unsigned char *record, size_t len, uint32_t received)
{
    unsigned char wanted[MAX_RECORD];
    if (len != record_len())
        die("received a record of %zu bytes, expected %zu", len, record_len());
    uint32_t number = (uint32_t)record[0] << 24 | (uint32_t)record[1] << 16 | (uint32_t)record[2] << 8 | record[3];
    if (number >= record_count())
        die("received record %u, which was never sent", number);
    fill(wanted, len, number);
    if (memcmp(wanted, record, len) != 0)
        die("record %u has wrong bytes", number);
    if (seen[number]++)
        die("received record %u twice", number);
    if (!options.lossy && number != received)
        die("received record %u, expected %u", number, received);
}

static void finish(uint32_t sent, uint32_t received)
{
    if (!options.lossy && (sent != record_count() || received != record_count()))
        die("closed after sending %u and receiving %u of %u records", sent, received, record_count());
    printf("closed sent=%zu received=%zu\n", sent * record_len(), received * record_len());
}

static void client(void)
{
    unsigned char record[MAX_RECORD], data[2048];
    uint32_t sent = 0, received = 0, count = record_count();
    int got;
    while (sent < count) {
        uint32_t window_end = sent + WINDOW < count ? sent + WINDOW : count;
        for (; sent < window_end; sent++) {
            fill(record, record_len(), sent);
            dtls_send(record, record_len());
        }
        while (received < sent) {
            got = dtls_receive(data, sizeof data, options.lossy ? SILENCE : RECORD_TIMEOUT);
            if (got == CLOSED)
                die("the server closed first");
            if (got == NOTHING && options.lossy)
                break;
            if (got == NOTHING)
                die("record %u was not echoed", received);
            check(data, (size_t)got, received++);
        }
    }
    dtls_close();
    while ((got = dtls_receive(data, sizeof data, RECORD_TIMEOUT)) != CLOSED)
        if (got == NOTHING)
            die("the server did not answer close_notify");
    finish(sent, received);
}

static void server(void)
{
    unsigned char data[2048];
    uint32_t received = 0;
    int got;
    while ((got = dtls_receive(data, sizeof data, RECORD_TIMEOUT)) != CLOSED) {
        if (got == NOTHING)
            die("no data or close_notify for %d ms", RECORD_TIMEOUT);
        check(data, (size_t)got, received++);
        dtls_send(data, (size_t)got);
    }
    dtls_close();
    finish(received, received);
}

static void open_socket(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    options.fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (options.fd < 0)
        die("socket: %s", strerror(errno));
    address.sin_port = htons((uint16_t)options.port);
    if (options.server) {
        char first;
        if (bind(options.fd, (struct sockaddr *)&address, len) != 0)
            die("bind: %s", strerror(errno));
        if (getsockname(options.fd, (struct sockaddr *)&address, &len) != 0)
            die("getsockname: %s", strerror(errno));
        printf("port %d\n", ntohs(address.sin_port));
        fflush(stdout);
        if (!readable(RECORD_TIMEOUT))
            die("timed out waiting for a client");
        if (recvfrom(options.fd, &first, 1, MSG_PEEK, (struct sockaddr *)&address, &len) < 0)
            die("recvfrom: %s", strerror(errno));
    }
    if (connect(options.fd, (struct sockaddr *)&address, len) != 0)
        die("connect: %s", strerror(errno));
}

static int flag(const char *text)
{
    return strcmp(text, "1") == 0;
}

static void parse(int argc, char **argv)
{
    if (argc < 3 || (strcmp(argv[1], "client") != 0 && strcmp(argv[1], "server") != 0))
        die("usage: %s probe | client|server PORT OPTIONS", argv[0]);
    options.server = strcmp(argv[1], "server") == 0;
    options.port = atoi(argv[2]);
    for (int i = 3; i < argc; i++) {
        const char *name = argv[i];
        if (strcmp(name, "--lossy") == 0) {
            options.lossy = 1;
            continue;
        }
        const char *value = ++i < argc ? argv[i] : "";
        if (strcmp(name, "--suite") == 0)
            options.suite = (unsigned)strtoul(value, NULL, 16);
        else if (strcmp(name, "--identity") == 0)
            options.identity = value;
        else if (strcmp(name, "--hint") == 0)
            options.hint = value;
        else if (strcmp(name, "--cookie") == 0)
            options.cookie = flag(value);
        else if (strcmp(name, "--ems") == 0)
            options.ems = flag(value);
        else if (strcmp(name, "--etm") == 0)
            options.etm = flag(value);
        else if (strcmp(name, "--group") == 0)
            options.group = value;
        else if (strcmp(name, "--mtu") == 0)
            options.mtu = atoi(value);
        else if (strcmp(name, "--bytes") == 0)
            options.bytes = atol(value);
        else if (strcmp(name, "--psk") == 0)
            for (; options.psk_len < sizeof options.psk && value[0] && value[1]; value += 2)
                sscanf(value, "%2hhx", &options.psk[options.psk_len++]);
        else
            die("unknown option %s", name);
    }
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "probe") == 0) {
        dtls_probe();
        return 0;
    }
    alarm(LIMIT);
    parse(argc, argv);
    open_socket();
    dtls_handshake();
    if (options.server)
        server();
    else
        client();
    return 0;
}

#endif
