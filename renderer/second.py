"""A second network beside the open one, for estimates that hold one against the other."""
from __future__ import annotations

from dataclasses import replace

from renderer.device import PRECISIONS, choose_precision
from renderer.info import fit, tap_info
from renderer.opened import Opened
from renderer.subject import Subject
from renderer.synthesis import Setting


def second_network(path: str, subject: Subject) -> Subject:
    """The network of another file or URL, on the device and as the request of `subject` says; its own file is closed.

    Parts of the request that it has no use for are left out. Raises UserError.
    """
    request, opened = subject.request, Opened()
    wanted = replace(request.checkpoint, path=path, network="", reload=0, content="")
    network = opened.network(wanted, subject.run.progress)
    opened.file(wanted, subject.run.progress).close()
    synthesis, config = network.generator.synthesis, network.generator.config
    precision = choose_precision(wanted.precision, network.device, config)
    synthesis.precision = PRECISIONS[precision]
    stages = synthesis.stages()
    info = replace(network.info, taps=tuple(tap_info(tap) for stage in stages for tap in stage.taps))
    request, _ = fit(replace(request, checkpoint=wanted, tap="image"), info)
    request = replace(request, synth=replace(request.synth, lod=None))
    return Subject(Setting((network.key, precision, wanted.backend), network, stages, None, info), request)
