/* One thread reads frames, while another sends commands and stops the session. */
#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tutk.h>

static void *read_frames(void *camera)
{
    static long frames;
    tutk_frame frame;
    tutk_status status;
    while ((status = tutk_camera_next_frame(camera, 60000, &frame)) == TUTK_STATUS_OK)
        frames += 1;
    if (status != TUTK_STATUS_ENDED) {
        fprintf(stderr, "frames: %d, %s\n", (int)status, tutk_last_error());
        return NULL;
    }
    return &frames;
}

static int set_and_get(tutk_camera *camera, const char *value, const char *json)
{
    char *answer;
    int equal;
    if (tutk_camera_command(camera, "night-vision", &value, 1, &answer) != TUTK_STATUS_OK)
        return 0;
    equal = strcmp(answer, "\"done\"") == 0;
    tutk_string_free(answer);
    if (!equal || tutk_camera_command(camera, "night-vision", NULL, 0, &answer) != TUTK_STATUS_OK)
        return 0;
    equal = strcmp(answer, json) == 0;
    tutk_string_free(answer);
    return equal;
}

int main(int argc, char **argv)
{
    tutk_camera *camera;
    pthread_t reader;
    void *frames;
    int passed;

    if (argc != 2 || tutk_camera_open(argv[1], TUTK_VIDEO | TUTK_AUDIO, &camera) != TUTK_STATUS_OK)
        return 2;
    if (pthread_create(&reader, NULL, read_frames, camera) != 0)
        return 2;
    passed = set_and_get(camera, "on", "\"on\"") && set_and_get(camera, "off", "\"off\"");
    if (!passed)
        fprintf(stderr, "commands: %s\n", tutk_last_error());
    tutk_camera_stop(camera);
    pthread_join(reader, &frames);
    tutk_camera_free(camera);
    return passed && frames != NULL ? EXIT_SUCCESS : EXIT_FAILURE;
}
