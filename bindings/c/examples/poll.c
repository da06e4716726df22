/* Saves the video of a camera to a file, and reads its night vision. The program owns the socket,
 * the clock and the randomness, and waits with poll(): the client itself does no I/O.
 *
 *     cc poll.c $(pkg-config --cflags --libs tutk) -o poll
 *     ./poll 'wyze://192.0.2.7?uid=...&enr=...&mac=...' 100 out.h264
 */
#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <tutk.h>
#include <unistd.h>

#define NANOS 1000000000ull

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * NANOS + (uint64_t)time.tv_nsec;
}

static void send_datagram(int udp, const tutk_output *output)
{
    struct sockaddr_in to;
    if (output->to.version != 4)
        return; /* The socket is for IPv4 only. */
    memset(&to, 0, sizeof to);
    to.sin_family = AF_INET;
    to.sin_port = htons(output->to.port);
    memcpy(&to.sin_addr, output->to.ip, sizeof to.sin_addr);
    /* Errors are ignored: the network may be down, and UDP can lose datagrams. */
    (void)sendto(udp, output->data, output->len, 0, (struct sockaddr *)&to, sizeof to);
}

static ssize_t receive(int udp, tutk_address *from, uint8_t *buffer, size_t size)
{
    struct sockaddr_in source = {0};
    socklen_t len = sizeof source;
    ssize_t got = recvfrom(udp, buffer, size, MSG_DONTWAIT, (struct sockaddr *)&source, &len);
    memset(from, 0, sizeof *from);
    from->version = 4;
    from->port = ntohs(source.sin_port);
    memcpy(from->ip, &source.sin_addr, sizeof source.sin_addr);
    return got;
}

/* The state of the recording. */
struct recording {
    FILE *file;
    long frames_left;
    int answered;
    int ended;
    int failed;
};

static void handle_event(tutk_client *client, const tutk_output *output, struct recording *recording)
{
    switch (output->kind) {
    case TUTK_OUTPUT_KIND_PHASE:
        fprintf(stderr, "%s completed\n", output->text);
        break;
    case TUTK_OUTPUT_KIND_AUTHENTICATED:
        tutk_client_command(client, clock_ns(CLOCK_MONOTONIC), "night-vision", NULL, 0, NULL);
        break;
    case TUTK_OUTPUT_KIND_FRAME:
        if (recording->frames_left > 0) {
            recording->frames_left -= 1;
            if (fwrite(output->frame.data, 1, output->frame.len, recording->file) != output->frame.len)
                recording->failed = 1;
        }
        break;
    case TUTK_OUTPUT_KIND_ANSWER:
    case TUTK_OUTPUT_KIND_UNANSWERED:
        recording->answered = 1;
        printf("night-vision: %s\n", output->text);
        break;
    case TUTK_OUTPUT_KIND_ENDED:
        recording->ended = 1;
        if (output->status != TUTK_STATUS_OK) {
            fprintf(stderr, "%s\n", output->text);
            recording->failed = 1;
        }
        break;
    default:
        break;
    }
}

static void run(tutk_client *client, int udp, struct recording *recording)
{
    static uint8_t buffer[65536];
    int closing = 0;

    while (!recording->ended) {
        /* 1. Handle all output. */
        tutk_output output;
        for (;;) {
            if (tutk_client_poll_output(client, &output) != TUTK_STATUS_OK) {
                fprintf(stderr, "%s\n", tutk_last_error());
                recording->failed = 1;
                return;
            }
            if (output.kind == TUTK_OUTPUT_KIND_TIMEOUT)
                break;
            if (output.kind == TUTK_OUTPUT_KIND_TRANSMIT)
                send_datagram(udp, &output);
            else
                handle_event(client, &output, recording);
        }
        /* 2. Feed one input: close, a timeout or a datagram. */
        uint64_t now = clock_ns(CLOCK_MONOTONIC);
        if (!closing && recording->frames_left == 0 && recording->answered) {
            closing = 1;
            tutk_client_close(client, now);
            continue;
        }
        if (output.timeout_ns <= now) {
            tutk_client_handle_timeout(client, now);
            continue;
        }
        struct pollfd wait = {.fd = udp, .events = POLLIN};
        uint64_t millis = (output.timeout_ns - now) / (NANOS / 1000) + 1;
        if (poll(&wait, 1, millis > 60000 ? 60000 : (int)millis) > 0) {
            tutk_address from;
            ssize_t got = receive(udp, &from, buffer, sizeof buffer);
            if (got >= 0)
                tutk_client_handle_datagram(client, clock_ns(CLOCK_MONOTONIC), &from, buffer, (size_t)got);
        }
    }
}

int main(int argc, char **argv)
{
    struct recording recording = {0};
    tutk_client *client;
    tutk_start start;
    FILE *random;
    int udp;

    if (argc != 4) {
        fprintf(stderr, "usage: %s URL FRAMES FILE\n", argv[0]);
        return 2;
    }
    memset(&start, 0, sizeof start);
    start.flags = TUTK_VIDEO;
    start.now_ns = clock_ns(CLOCK_MONOTONIC);
    start.unix_ns = clock_ns(CLOCK_REALTIME);
    random = fopen("/dev/urandom", "rb");
    if (random == NULL || fread(start.seed, sizeof start.seed, 1, random) != 1) {
        perror("/dev/urandom");
        return EXIT_FAILURE;
    }
    fclose(random);
    recording.frames_left = strtol(argv[2], NULL, 10);
    recording.file = fopen(argv[3], "wb");
    if (recording.file == NULL) {
        perror(argv[3]);
        return EXIT_FAILURE;
    }
    /* Unbound: the first datagram selects the port. */
    udp = socket(AF_INET, SOCK_DGRAM, 0);
    if (udp < 0) {
        perror("socket");
        fclose(recording.file);
        return EXIT_FAILURE;
    }
    if (tutk_client_new(argv[1], NULL, &start, &client) == TUTK_STATUS_OK) {
        run(client, udp, &recording);
        tutk_client_free(client);
    } else {
        fprintf(stderr, "%s\n", tutk_last_error());
        recording.failed = 1;
    }
    close(udp);
    if (fclose(recording.file) != 0)
        recording.failed = 1;
    return recording.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
