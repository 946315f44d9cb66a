"""CityGML files made for tests: blocks with walls, versions 2 and 3, with the habits of real ones."""

from pathlib import Path

NAMES = {
    2: (
        'xmlns="http://www.opengis.net/citygml/2.0" xmlns:gml="http://www.opengis.net/gml" '
        'xmlns:bldg="http://www.opengis.net/citygml/building/2.0" xmlns:con="urn:none" '
        'xmlns:gen="http://www.opengis.net/citygml/generics/2.0"'
    ),
    3: (
        'xmlns="http://www.opengis.net/citygml/3.0" xmlns:gml="http://www.opengis.net/gml/3.2" '
        'xmlns:bldg="http://www.opengis.net/citygml/building/3.0" '
        'xmlns:con="http://www.opengis.net/citygml/construction/3.0" '
        'xmlns:gen="http://www.opengis.net/citygml/generics/3.0"'
    ),
}
XLINK = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
KOREA = "urn:ogc:def:crs:EPSG::5186"


def ring(points: list[tuple[float, float, float]], north_first: bool = True) -> str:
    numbers = [f"{y} {x} {z}" if north_first else f"{x} {y} {z}" for x, y, z in points]
    return f"<gml:LinearRing><gml:posList>{' '.join(numbers)}</gml:posList></gml:LinearRing>"


def polygon(key: str, points: list[tuple[float, float, float]]) -> str:
    return f'<gml:Polygon gml:id="{key}"><gml:exterior>{ring(points)}</gml:exterior></gml:Polygon>'


def block(name: str, x: float, y: float, top: float, version: int = 2, extra: str = "") -> str:
    """A building of 10 m x 10 m as LOD1 solid, and as LOD2 surfaces that its LOD2 solid refers to."""
    a, b, c, d = (x, y), (x + 10, y), (x + 10, y + 10), (x, y + 10)

    def at(corners: list[tuple[float, float]], z: float) -> list[tuple[float, float, float]]:
        return [(px, py, z) for px, py in [*corners, corners[0]]]

    faces = {"Ground": at([a, d, c, b], 0), "Roof": at([a, b, c, d], top)}
    for number, (p, q) in enumerate(((a, b), (b, c), (c, d), (d, a))):
        faces[f"Wall{number}"] = [(*p, 0), (*q, 0), (*q, top), (*p, top), (*p, 0)]
    shell = "".join(
        f"<gml:surfaceMember>{polygon(f'{name}-1-{face}', points)}</gml:surfaceMember>"
        for face, points in faces.items()
    )
    links = "".join(f'<gml:surfaceMember xlink:href="#{name}-2-{face}"/>' for face in faces)
    bound, core = ("bldg:boundedBy", "bldg:") if version == 2 else ("boundary", "")
    module = "bldg" if version == 2 else "con"
    surfaces = "".join(
        f"<{bound}><{module}:{face.rstrip('0123')}Surface><{core}lod2MultiSurface><gml:MultiSurface>"
        f"<gml:surfaceMember>{polygon(f'{name}-2-{face}', points)}</gml:surfaceMember>"
        f"</gml:MultiSurface></{core}lod2MultiSurface></{module}:{face.rstrip('0123')}Surface></{bound}>"
        for face, points in faces.items()
    )
    height = (
        f'<bldg:measuredHeight uom="m">{top}</bldg:measuredHeight>' if version == 2
        else f'<con:height><con:Height><con:value uom="m">{top}</con:value></con:Height></con:height>'
    )  # fmt: skip
    generic = (
        '<gen:stringAttribute name="PNU"><gen:value>0011223344556677889</gen:value></gen:stringAttribute>'
        if version == 2
        else "<genericAttribute><gen:StringAttribute><gen:name>PNU</gen:name>"
        "<gen:value>0011223344556677889</gen:value></gen:StringAttribute></genericAttribute>"
    )
    return (
        f'<bldg:Building gml:id="{name}"><gml:name>집 {name}</gml:name>{generic}'
        f'<bldg:usage codeSpace="../codelists/usage.xml">01</bldg:usage>{height}'
        f"<bldg:storeysAboveGround>3</bldg:storeysAboveGround>{surfaces}"
        f"<{core}lod1Solid><gml:Solid><gml:exterior><gml:CompositeSurface>{shell}</gml:CompositeSurface>"
        f"</gml:exterior></gml:Solid></{core}lod1Solid><{core}lod2Solid><gml:Solid><gml:exterior>"
        f"<gml:CompositeSurface>{links}</gml:CompositeSurface></gml:exterior></gml:Solid></{core}lod2Solid>"
        f"{extra}</bldg:Building>"
    )


def write(path: Path, *objects: str, version: int = 2, srs: str = KOREA, head: str = "") -> Path:
    members = "\n".join(f"<cityObjectMember>{one}</cityObjectMember>" for one in objects)
    path.write_text(
        f'<?xml version="1.0" encoding="UTF-8"?>{head}\n<CityModel {NAMES[version]} {XLINK}>'
        f'<gml:boundedBy><gml:Envelope srsName="{srs}" srsDimension="3"><gml:lowerCorner>550000 200000 0'
        f"</gml:lowerCorner></gml:Envelope></gml:boundedBy>\n{members}\n</CityModel>\n",
        encoding="utf-8",
    )
    return path


def codelist(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        '<gml:Dictionary xmlns:gml="http://www.opengis.net/gml"><gml:dictionaryEntry><gml:Definition>'
        "<gml:description>주택</gml:description><gml:name>01</gml:name></gml:Definition>"
        "</gml:dictionaryEntry></gml:Dictionary>",
        encoding="utf-8",
    )
