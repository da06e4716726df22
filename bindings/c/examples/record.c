/* Saves the video of a camera to a file, with the thread that the library starts.
 *
 *     cc record.c $(pkg-config --cflags --libs tutk) -o record
 *     ./record 'wyze://HOST?uid=...&enr=...&mac=...' 100 out.h264
 */
#include <stdio.h>
#include <stdlib.h>
#include <tutk.h>

/* How long to wait for a frame, in milliseconds. The session itself ends earlier if it fails. */
#define LIMIT 60000

static int record(tutk_camera *camera, long count, FILE *file)
{
    tutk_frame frame;
    while (count > 0) {
        tutk_status status = tutk_camera_next_frame(camera, LIMIT, &frame);
        if (status != TUTK_STATUS_OK) {
            fprintf(stderr, "no frame: %s\n",
                    status < 0 ? tutk_last_error() : "the session was closed, or the time is over");
            return EXIT_FAILURE;
        }
        if (fwrite(frame.data, 1, frame.len, file) != frame.len) {
            perror("cannot write");
            return EXIT_FAILURE;
        }
        count -= 1;
    }
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    tutk_camera *camera;
    FILE *file;
    int result;

    if (argc != 4) {
        fprintf(stderr, "usage: %s URL FRAMES FILE\n", argv[0]);
        return 2;
    }
    if (tutk_abi_version() != TUTK_ABI_VERSION) {
        fprintf(stderr, "the library is %s, which this program was not compiled for\n", tutk_version());
        return EXIT_FAILURE;
    }
    file = fopen(argv[3], "wb");
    if (file == NULL) {
        perror(argv[3]);
        return EXIT_FAILURE;
    }
    if (tutk_camera_open(argv[1], TUTK_VIDEO | TUTK_RECONNECT, &camera) != TUTK_STATUS_OK) {
        fprintf(stderr, "%s\n", tutk_last_error());
        fclose(file);
        return 2;
    }
    result = record(camera, strtol(argv[2], NULL, 10), file);
    tutk_camera_free(camera);
    if (fclose(file) != 0) {
        perror("cannot write");
        result = EXIT_FAILURE;
    }
    return result;
}
