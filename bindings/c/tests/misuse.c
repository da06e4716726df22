/* Calls the library with null pointers and invalid values. Each call must return an error, and the
 * program must not crash. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tutk.h>

#define URL "wyze://127.0.0.1:9?uid=HSBJYB5HSETGCDWD111A&enr=aKzdqckqZ8HUHFe5&mac=AABBCCDDEEFF"

#define EXPECT(call, expected)                                                      \
    do {                                                                            \
        tutk_status got = (call);                                                   \
        if (got != (expected)) {                                                    \
            fprintf(stderr, "%d: %s is %d: %s\n", __LINE__, #call, (int)got, tutk_last_error()); \
            return EXIT_FAILURE;                                                    \
        }                                                                           \
    } while (0)
#define INVALID(call) EXPECT(call, TUTK_STATUS_INVALID_ARGUMENT)

int main(void)
{
    tutk_start start;
    tutk_client *client;
    tutk_camera *camera;
    tutk_dissector *dissector;
    tutk_output output;
    tutk_address address;
    tutk_frame frame;
    uint8_t byte = 0;
    uint64_t command = 0;
    const char *line;
    const char *values[2] = {"auto", NULL};
    char *json;

    memset(&start, 0, sizeof start);
    memset(&address, 0, sizeof address);
    start.flags = TUTK_VIDEO;
    start.now_ns = 1;

    /* The client without I/O. */
    INVALID(tutk_client_new(NULL, NULL, &start, &client));
    INVALID(tutk_client_new(URL, NULL, NULL, &client));
    INVALID(tutk_client_new(URL, NULL, &start, NULL));
    INVALID(tutk_client_new("\xff", NULL, &start, &client));
    INVALID(tutk_client_new(URL, &address, &start, &client)); /* no IP version */
    EXPECT(tutk_client_new("http://", NULL, &start, &client), TUTK_STATUS_INVALID_URL);
    if (client != NULL || strcmp(tutk_last_error(), "a camera address begins with wyze://") != 0)
        return EXIT_FAILURE;
    start.flags = 0x80;
    INVALID(tutk_client_new(URL, NULL, &start, &client));
    start.flags = TUTK_VIDEO;
    address.version = 4;
    INVALID(tutk_client_new_from_keys(NULL, "", "", NULL, &address, &start, &client));
    EXPECT(tutk_client_new_from_keys("UID", "ENR", "MAC", NULL, &address, &start, &client),
           TUTK_STATUS_INVALID_URL);
    EXPECT(tutk_client_new_from_keys("HSBJYB5HSETGCDWD111A", "aKzdqckqZ8HUHFe5", "AABBCCDDEEFF", "HL_CAM4",
                                     &address, &start, &client),
           TUTK_STATUS_OK);
    tutk_client_free(client);
    EXPECT(tutk_client_new(URL, NULL, &start, &client), TUTK_STATUS_OK);
    INVALID(tutk_client_poll_output(NULL, &output));
    INVALID(tutk_client_poll_output(client, NULL));
    INVALID(tutk_client_handle_timeout(NULL, 1));
    INVALID(tutk_client_handle_datagram(client, 1, NULL, &byte, 1));
    INVALID(tutk_client_handle_datagram(client, 1, &address, NULL, 1));
    INVALID(tutk_client_handle_datagram(client, 1, &address, &byte, SIZE_MAX));
    EXPECT(tutk_client_handle_datagram(client, 1, &address, NULL, 0), TUTK_STATUS_OK);
    EXPECT(tutk_client_handle_datagram(client, 1, &address, &byte, 1), TUTK_STATUS_OK);
    INVALID(tutk_client_command(client, 1, NULL, NULL, 0, NULL));
    INVALID(tutk_client_command(client, 1, "sprinkler", NULL, 0, NULL));
    INVALID(tutk_client_command(client, 1, "night-vision", NULL, 1, NULL));
    INVALID(tutk_client_command(client, 1, "night-vision", values, 2, NULL));
    INVALID(tutk_client_command(client, 1, "night-vision", values, SIZE_MAX, NULL));
    EXPECT(tutk_client_command(client, 1, "night-vision", values, 1, &command), TUTK_STATUS_OK);
    /* Time may go back. */
    EXPECT(tutk_client_handle_timeout(client, 0), TUTK_STATUS_OK);
    EXPECT(tutk_client_close(client, UINT64_MAX), TUTK_STATUS_OK);
    do
        EXPECT(tutk_client_poll_output(client, &output), TUTK_STATUS_OK);
    while (output.kind != TUTK_OUTPUT_KIND_ENDED);
    if (command != 1 || output.status != TUTK_STATUS_OK)
        return EXIT_FAILURE;
    tutk_client_free(client);
    tutk_client_free(NULL);

    /* The dissector. */
    INVALID(tutk_dissector_new(NULL, 1, NULL, 0, NULL, &dissector));
    INVALID(tutk_dissector_new(&byte, 1, NULL, 0, NULL, NULL));
    EXPECT(tutk_dissector_new(NULL, 0, NULL, 0, NULL, &dissector), TUTK_STATUS_INVALID_CAPTURE);
    EXPECT(tutk_dissector_new(&byte, 1, NULL, 0, NULL, &dissector), TUTK_STATUS_INVALID_CAPTURE);
    EXPECT(tutk_dissector_new(&byte, 1, NULL, 0, "wyze://", &dissector), TUTK_STATUS_INVALID_URL);
    EXPECT(tutk_dissector_new(&byte, 1, &byte, 1, NULL, &dissector), TUTK_STATUS_INVALID_CAPTURE);
    INVALID(tutk_dissector_next(NULL, TUTK_LINE_FORMAT_JSON, &line));
    INVALID(tutk_dissector_next(NULL, TUTK_LINE_FORMAT_JSON, NULL));
    tutk_dissector_free(NULL);
    INVALID(tutk_dissect_datagram("here", "there", &byte, 1, &json));
    INVALID(tutk_dissect_datagram(NULL, NULL, &byte, 1, &json));

    /* Functions that return JSON. */
    INVALID(tutk_url_json(NULL, &json));
    INVALID(tutk_url_json(URL, NULL));
    INVALID(tutk_controls_json(NULL));
    INVALID(tutk_request_json(NULL, NULL, 0, NULL, 0, &json));
    INVALID(tutk_answer_json("siren", NULL, 0, NULL, 0, &json));
    tutk_string_free(NULL);

    /* The camera with a thread. */
    INVALID(tutk_camera_open(NULL, 0, &camera));
    INVALID(tutk_camera_open(URL, 0, NULL));
    INVALID(tutk_camera_open(URL, 0x80, &camera));
    EXPECT(tutk_camera_open("wyze://", TUTK_VIDEO, &camera), TUTK_STATUS_INVALID_URL);
    EXPECT(tutk_camera_open(URL, TUTK_VIDEO, &camera), TUTK_STATUS_OK);
    INVALID(tutk_camera_next_frame(NULL, 0, &frame));
    INVALID(tutk_camera_next_frame(camera, 0, NULL));
    EXPECT(tutk_camera_next_frame(camera, 1, &frame), TUTK_STATUS_TIMEOUT);
    INVALID(tutk_camera_command(camera, "sprinkler", NULL, 0, &json));
    INVALID(tutk_camera_stop(NULL));
    EXPECT(tutk_camera_stop(camera), TUTK_STATUS_OK);
    EXPECT(tutk_camera_next_frame(camera, 60000, &frame), TUTK_STATUS_ENDED);
    EXPECT(tutk_camera_next_frame(camera, 60000, &frame), TUTK_STATUS_ENDED);
    EXPECT(tutk_camera_command(camera, "siren", NULL, 0, &json), TUTK_STATUS_ENDED);
    tutk_camera_free(camera);
    tutk_camera_free(NULL);
    return EXIT_SUCCESS;
}
