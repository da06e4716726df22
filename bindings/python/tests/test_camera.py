"""Sessions with a simulated camera."""

import asyncio
import base64
import gc
import hashlib
import os
import signal
import subprocess
import sys
import threading
import weakref

import pytest
import tutk
from conftest import CLIP

FRAMES = 100


def test_blocking_iteration_returns_the_clip(camera: tutk.SimulatedCamera) -> None:
    received = b""
    with tutk.Camera(camera.url) as client:
        for number, frame in enumerate(client, 1):
            received += frame.data
            assert (frame.codec, frame.is_audio) == ("h264", False)
            if number == 1:
                assert frame.is_key and frame.timestamp == 0.0
                assert repr(frame).startswith("<Frame 1: key, h264, ")
            if number == FRAMES:
                break
        client.stop()
        assert len(list(client)) <= FRAMES
        assert client.next_frame() is None
    assert received == CLIP.read_bytes()


def test_async_iteration_returns_the_clip(camera: tutk.SimulatedCamera) -> None:
    async def record() -> bytes:
        received, number = b"", 0
        async with tutk.Camera(camera.url) as client:
            async for frame in client:
                received += frame.data
                number += 1
                if number == FRAMES:
                    break
            await client.close_async()
            assert len([frame async for frame in client]) <= FRAMES
        return received

    assert asyncio.run(record()) == CLIP.read_bytes()


def test_cancelled_wait_loses_no_frame(camera: tutk.SimulatedCamera) -> None:
    async def record() -> list[int]:
        numbers: list[int] = []
        async with tutk.Camera(camera.url) as client:
            while len(numbers) < 30:
                try:
                    frame = await asyncio.wait_for(client.next_frame_async(), 0.004)
                except TimeoutError:
                    continue
                assert frame is not None
                numbers.append(frame.number)
        return numbers

    assert asyncio.run(record()) == list(range(1, 31))


def test_a_camera_outlives_its_event_loop(camera: tutk.SimulatedCamera) -> None:
    with tutk.Camera(camera.url) as client:
        frames = [asyncio.run(client.next_frame_async()) for _ in range(5)]
        frames.append(client.next_frame())
    assert [frame and frame.number for frame in frames] == [1, 2, 3, 4, 5, 6]


def test_views_keep_the_bytes_alive(camera: tutk.SimulatedCamera) -> None:
    with tutk.Camera(camera.url) as client:
        frame = client.next_frame()
    assert frame is not None
    view, copy = frame.data, bytes(frame)
    alive = weakref.ref(client)
    del frame, client
    gc.collect()
    assert alive() is None
    assert view.readonly and view.nbytes == len(copy) and view == copy
    with pytest.raises(TypeError):
        view[0] = 0


def test_commands(camera: tutk.SimulatedCamera) -> None:
    with tutk.Camera(camera.url, video=False) as client:
        client.set("night-vision", "on")
        assert client.get("night-vision") == "on"
        client.set("turn", 10, -5)
        with pytest.raises(tutk.CommandError, match="expected on, off or auto, got `dim`"):
            client.set("night-vision", "dim")
        with pytest.raises(tutk.CommandError, match="there is no control `sprinkler`"):
            client.get("sprinkler")


def test_async_commands_during_the_stream(camera: tutk.SimulatedCamera) -> None:
    async def run() -> None:
        async with tutk.Camera(camera.url) as client:
            reader = asyncio.create_task(anext(aiter(client)))
            await client.set_async("night-vision", "off")
            assert await client.get_async("night-vision") == "off"
            with pytest.raises(tutk.CommandError, match="expected on, off or auto"):
                await client.set_async("night-vision", "dim")
            assert (await reader).number == 1

    asyncio.run(run())


def test_async_commands_without_frames(camera: tutk.SimulatedCamera) -> None:
    async def run() -> None:
        async with tutk.Camera(camera.url, video=False) as client:
            reader = asyncio.create_task(anext(aiter(client)))
            await asyncio.sleep(0)
            await client.set_async("night-vision", "on")
            assert await client.get_async("night-vision") == "on"
            reader.cancel()

    asyncio.run(asyncio.wait_for(run(), 30))


def test_audio() -> None:
    samples = bytes(range(160)) * 3
    with (
        tutk.SimulatedCamera(CLIP, audio=samples) as camera,
        tutk.Camera(camera.url, video=False, audio=True) as client,
    ):
        frames = [frame for frame, _ in zip(client, range(4))]
    assert all(frame.is_audio and frame.codec == "pcmu" for frame in frames)
    assert {(frame.sample_rate, frame.channels) for frame in frames} == {(8000, 1)}
    assert all(bytes(frame) == samples[:160] for frame in frames)


def test_wrong_enr_has_the_message_of_the_library(camera: tutk.SimulatedCamera) -> None:
    # The AuthKey is right, so that the camera answers.
    digest = hashlib.sha256(b"aKzdqckqZ8HUHFe5" + b"AABBCCDDEEFF").digest()
    key = base64.b64encode(digest[:6], b"Z9").decode()
    url = camera.url.replace("enr=a", "enr=b").replace("mac=AABBCCDDEEFF", f"auth_key={key}")

    def check(error: tutk.SessionError) -> None:
        assert str(error).startswith("dtls: wrong ENR, or no answer from the camera")
        assert (error.kind, error.phase) == ("refused", "dtls")
        assert error.advice is not None and "check the ENR" in error.advice

    with tutk.Camera(url) as client:
        with pytest.raises(tutk.SessionError) as raised:
            next(client)
        check(raised.value)
        assert client.next_frame() is None
    with tutk.Camera(url) as client, pytest.raises(tutk.SessionError) as raised:
        client.get("night-vision")
    check(raised.value)


def test_time_limit(camera: tutk.SimulatedCamera) -> None:
    with tutk.Camera("wyze://127.0.0.1:9?" + camera.url.split("?")[1]) as client:
        with pytest.raises(TimeoutError):
            client.next_frame(0.01)
        with pytest.raises(ValueError, match="invalid time limit -1"):
            client.next_frame(-1)


def test_another_thread_stops_the_wait(camera: tutk.SimulatedCamera) -> None:
    with tutk.Camera(camera.url, video=False) as client:
        threading.Timer(0.05, client.stop).start()
        # The wait releases the GIL, otherwise the timer could not run.
        assert list(client) == []


def test_ctrl_c_interrupts_the_wait(camera: tutk.SimulatedCamera) -> None:
    program = (
        "import sys, tutk\n"
        "client = tutk.Camera(sys.argv[1], video=False)\n"
        "client.get('night-vision')\n"
        "print('waiting', flush=True)\n"
        "for frame in client: pass\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, camera.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell without job control makes background processes ignore SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "waiting\n"
    os.kill(child.pid, signal.SIGINT)
    _, error = child.communicate(timeout=60)
    assert error.rstrip().endswith("KeyboardInterrupt"), error
    assert child.returncode == -signal.SIGINT


def test_discovery_finds_the_camera(camera: tutk.SimulatedCamera) -> None:
    found = tutk.discover(0.5, target=camera.address)
    assert {each.address for each in found} == {camera.address}
    assert {each.uid for each in found} == {"HSBJYB5HSETGCDWD111A"}
    assert "transcode" in {each.dialect for each in found}
    again = asyncio.run(tutk.discover_async(0.5, target=camera.address))
    assert {each.dialect for each in again} == {each.dialect for each in found}


def test_invalid_arguments() -> None:
    with pytest.raises(tutk.AddressError, match="a camera address begins with wyze://"):
        tutk.Camera("rtsp://192.0.2.7")
    with pytest.raises(ValueError, match="video: "):
        tutk.SimulatedCamera(b"not a clip")
    with pytest.raises(tutk.AddressError, match="invalid UID of 3 characters"):
        tutk.SimulatedCamera(CLIP, uid="abc")
    with pytest.raises(ValueError, match='invalid address "here"'):
        tutk.discover(0.1, target="here")
    assert issubclass(tutk.AddressError, tutk.Error)
