/* Passes test vectors through the library. Each line of standard input is a function and its
 * arguments, separated by tabs. The result is one line: JSON, or `error ` and the message. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tutk.h>

#define MAX_ARGUMENTS 16

static char line[1 << 20];
static uint8_t bytes[sizeof line / 2];

static size_t from_hex(const char *digits)
{
    size_t len = strlen(digits) / 2, index;
    for (index = 0; index < len; index += 1) {
        char pair[3] = {digits[2 * index], digits[2 * index + 1], 0};
        bytes[index] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return len;
}

static void print(tutk_status status, char *json)
{
    if (status == TUTK_STATUS_OK)
        printf("%s\n", json);
    else
        printf("error %s\n", tutk_last_error());
    tutk_string_free(json);
}

static int dissect(const char *path)
{
    FILE *file = fopen(path, "rb");
    tutk_dissector *dissector;
    const char *text;
    size_t len;
    tutk_status status;

    if (file == NULL)
        return 1;
    len = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    if (tutk_dissector_new(bytes, len, NULL, 0, NULL, &dissector) != TUTK_STATUS_OK) {
        printf("error %s\n", tutk_last_error());
        return 1;
    }
    /* The dissector has its own copy. */
    memset(bytes, 0, len);
    while ((status = tutk_dissector_next(dissector, TUTK_LINE_FORMAT_JSON, &text)) == TUTK_STATUS_OK)
        printf("%s\n", text);
    tutk_dissector_free(dissector);
    return status != TUTK_STATUS_ENDED;
}

int main(void)
{
    while (fgets(line, sizeof line, stdin) != NULL) {
        char *arguments[MAX_ARGUMENTS];
        const char *const *values = (const char *const *)&arguments[3];
        char *json = NULL, *rest = line;
        tutk_status status = TUTK_STATUS_OK;
        int count = 0;
        line[strcspn(line, "\n")] = 0;
        while (rest != NULL && count < MAX_ARGUMENTS) {
            char *tab = strchr(rest, '\t');
            arguments[count++] = rest;
            if (tab != NULL)
                *tab = 0;
            rest = tab != NULL ? tab + 1 : NULL;
        }
        if (strcmp(arguments[0], "url") == 0 && count == 2) {
            status = tutk_url_json(arguments[1], &json);
        } else if (strcmp(arguments[0], "controls") == 0) {
            status = tutk_controls_json(&json);
        } else if (strcmp(arguments[0], "request") == 0 && count >= 4) {
            /* request UNIX_MS MODEL CONTROL VALUE... */
            const char *model = arguments[2][0] != 0 ? arguments[2] : NULL;
            uint64_t unix_ms = strtoull(arguments[1], NULL, 10);
            status = tutk_request_json(arguments[3], values + 1, (size_t)count - 4, model, unix_ms, &json);
        } else if (strcmp(arguments[0], "answer") == 0 && count >= 4) {
            /* answer PAYLOAD - CONTROL VALUE... */
            size_t len = from_hex(arguments[1]);
            status = tutk_answer_json(arguments[3], values + 1, (size_t)count - 4, bytes, len, &json);
        } else if (strcmp(arguments[0], "datagram") == 0 && count == 4) {
            size_t len = from_hex(arguments[3]);
            status = tutk_dissect_datagram(arguments[1], arguments[2], bytes, len, &json);
        } else if (strcmp(arguments[0], "dissect") == 0 && count == 2) {
            if (dissect(arguments[1]) != 0)
                return EXIT_FAILURE;
            continue;
        } else {
            return 2;
        }
        print(status, json);
    }
    return EXIT_SUCCESS;
}
