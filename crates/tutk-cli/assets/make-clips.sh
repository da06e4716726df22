#!/usr/bin/env bash
# Makes the clips beside this script from ffmpeg's own test source: a moving picture with a clock in
# it. Nothing else is needed, and there is nobody's picture in them.
#
#   clip.h264   640x360, 20 frames a second, 5 s = 100 frames, a key frame every 2 s. Ships with
#               the program: what `tutk demo` and `tutk simulate` stream.
#   tone.aac    16 kHz, mono, AAC LC in ADTS: 125 frames of 64 ms = 8 s. A tone of 440 Hz with a click of
#               10 ms at each second, as tutk-media's `tone` makes it for the other codecs. Ships with the
#               program. It is the second 8 s of a longer tone, without the encoder's first frame, which
#               holds nothing but its delay: so the clicks are where they should be, and the tone can be
#               looped without a seam. (Of the click at 0 a decoder that begins there makes less: it knows
#               nothing of the frame before.)
#   clip.h265   320x180, 20 frames a second, 2 s = 40 frames, a key frame every second. For tests.
#
# One slice a frame, no B frames, no access unit delimiters, as cameras send it. Another version of
# ffmpeg or x264 may give other bytes: the clips in the repository are the ones that count.
set -euo pipefail
cd "$(dirname "$0")"

source_() { echo "testsrc2=size=$1:rate=20:duration=$2"; }

ffmpeg -v error -y -f lavfi -i "$(source_ 640x360 5)" -pix_fmt yuv420p \
  -c:v libx264 -profile:v main -preset veryslow -crf 28 -bf 0 -g 40 -threads 1 \
  -x264-params slices=1:aud=0:scenecut=0:open-gop=0:keyint=40:min-keyint=40 \
  -flags:v +bitexact -fflags +bitexact -f h264 clip.h264

ffmpeg -v error -y -f lavfi -i "$(source_ 320x180 2)" -pix_fmt yuv420p \
  -c:v libx265 -preset slow -crf 30 \
  -x265-params log-level=error:info=0:aud=0:bframes=0:scenecut=0:open-gop=0:keyint=20:min-keyint=20:frame-threads=1:pools=1 \
  -flags:v +bitexact -fflags +bitexact -f hevc clip.h265

tone='if(lt(mod(t\,1)\,0.01)\,0.9*sin(2*PI*2000*t)\,0.2*sin(2*PI*440*t))'
ffmpeg -v error -y -f lavfi -i "aevalsrc=$tone:s=16000:d=16.2" \
  -c:a aac -b:a 48k -bsf:a "noise=drop='lt(n\,126)'" -frames:a 125 \
  -flags:a +bitexact -fflags +bitexact -f adts tone.aac

ls -l clip.h264 clip.h265 tone.aac
