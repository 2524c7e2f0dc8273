"""Cuts Inter down to what the figures need; see README.md beside this file."""
import sys
from fontTools import subset
from fontTools.ttLib import TTFont

CHARACTERS = (
    [chr(c) for c in range(0x20, 0x7F)] + [chr(c) for c in range(0xA0, 0x180)]
    + list("αβγδΔεηθλμπρσΣτφχψωΩ") + list("←↑→↓↔↗↘⇒") + list("≤≥≠≈−∞√∑∂·…–—‘’‚“”„•‰′″€")
    + list("✓✗✔✘■□▲△▼▽◆◇●○") + list("⁰¹²³⁴⁵⁶⁷⁸⁹⁻₀₁₂₃₄₅₆₇₈₉")
)

def main(source, target, style):
    font = TTFont(source)
    # Tabular figures by default: numbers in columns and on axes keep their places.
    tabular = {}
    for record in font["GSUB"].table.FeatureList.FeatureRecord:
        if record.FeatureTag == "tnum":
            for index in record.Feature.LookupListIndex:
                for table in font["GSUB"].table.LookupList.Lookup[index].SubTable:
                    table = getattr(table, "ExtSubTable", table)
                    tabular.update(getattr(table, "mapping", {}))
    for table in font["cmap"].tables:
        if not table.isUnicode(): continue
        for code in list(range(0x30, 0x3A)) + [0x2B, 0x2212, 0xB1]:
            name = table.cmap.get(code)
            if name in tabular:
                table.cmap[code] = tabular[name]
    options = subset.Options()
    options.layout_features = sys.argv[4].split(",") if len(sys.argv) > 4 and sys.argv[4] else []
    options.hinting = False
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]
    options.notdef_outline = True
    options.glyph_names = False
    options.drop_tables += ["DSIG", "MVAR", "STAT"]
    subsetter = subset.Subsetter(options)
    missing = [c for c in CHARACTERS if ord(c) not in font.getBestCmap()]
    print("not in the source:", "".join(missing))
    subsetter.populate(text="".join(CHARACTERS))
    subsetter.subset(font)
    for record in font["name"].names:
        if record.nameID == 1: record.string = "Twohop Sans"
        if record.nameID == 2: record.string = style
        if record.nameID == 3: record.string = f"Twohop Sans {style}"
        if record.nameID == 4: record.string = f"Twohop Sans {style}"
        if record.nameID == 6: record.string = f"TwohopSans-{style}"
    font["OS/2"].usWeightClass = 700 if style == "Bold" else 400
    font["OS/2"].fsSelection = 0x20 if style == "Bold" else 0x40
    font["head"].macStyle = 1 if style == "Bold" else 0
    font["head"].modified = font["head"].created
    font.recalcTimestamp = False
    font.flavor = None
    font.save(target)

main(*sys.argv[1:4])
