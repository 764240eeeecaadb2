"""A small Hugging Face hub on this machine, for tests that run the real client libraries.

    with Hub() as hub:
        commit = hub.add("model", "owner/name", "step0", {"config.json": b"{}"})
        subprocess.run(..., env={**os.environ, **hub.environment(tmp_path)})

It speaks what `huggingface_hub` asks for: `/api/{models,datasets}/...` (information, tree,
paths-info) and `/{repository}/resolve/{revision}/{file}`, which redirects large files to a second
port, the content network, as the real hub does. And it fails as told: status codes, connections cut
in the middle of a body, flipped bytes, short files.
"""

from loopback.hub import Hub

__all__ = ["Hub"]
