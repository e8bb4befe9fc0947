package documents

import (
	"strconv"
	"strings"
	"unicode/utf16"

	"golang.org/x/text/unicode/norm"
)

// glyphText is the text of a glyph by its name, as the names of the Adobe Glyph
// List are made; "" when the name says nothing.
func glyphText(name string) string {
	name, _, _ = strings.Cut(name, ".")
	if name == "" || name == "notdef" {
		return ""
	}
	if strings.Contains(name, "_") {
		var all strings.Builder
		for part := range strings.SplitSeq(name, "_") {
			all.WriteString(glyphText(part))
		}
		return all.String()
	}
	if c := name[0]; len(name) == 1 && (c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z') {
		return name
	}
	if s := namedGlyph(name); s != "" {
		return s
	}
	if len(name) > 1 {
		if mark := accent(name[1:]); mark != 0 && (name[0] >= 'A' && name[0] <= 'Z' || name[0] >= 'a' && name[0] <= 'z') {
			return norm.NFC.String(string(rune(name[0])) + string(mark))
		}
	}
	if hex, ok := strings.CutPrefix(name, "uni"); ok && len(hex) >= 4 && len(hex)%4 == 0 && len(hex) <= 16 {
		var units []uint16
		for ; len(hex) >= 4; hex = hex[4:] {
			v, err := strconv.ParseUint(hex[:4], 16, 16)
			if err != nil {
				return ""
			}
			units = append(units, uint16(v))
		}
		return string(utf16.Decode(units))
	}
	if hex, ok := strings.CutPrefix(name, "u"); ok && len(hex) >= 4 && len(hex) <= 6 {
		if v, err := strconv.ParseUint(hex, 16, 32); err == nil && v <= 0x10FFFF {
			return string(rune(v))
		}
	}
	return ""
}

// accent is the combining mark of a name's second part.
func accent(name string) rune {
	switch name {
	case "grave":
		return 0x300
	case "acute":
		return 0x301
	case "circumflex":
		return 0x302
	case "tilde":
		return 0x303
	case "macron":
		return 0x304
	case "breve":
		return 0x306
	case "dotaccent":
		return 0x307
	case "dieresis":
		return 0x308
	case "ring":
		return 0x30A
	case "hungarumlaut":
		return 0x30B
	case "caron":
		return 0x30C
	case "commaaccent", "cedilla":
		return 0x327
	case "ogonek":
		return 0x328
	}
	return 0
}

// glyphs are the names that no rule makes, each with its text after it.
const glyphs = ` space   exclam ! quotedbl " numbersign # dollar $ percent % ampersand & quotesingle ' parenleft ( parenright ) asterisk * plus + comma , hyphen - period . slash / ` +
	`zero 0 one 1 two 2 three 3 four 4 five 5 six 6 seven 7 eight 8 nine 9 colon : semicolon ; less < equal = greater > question ? at @ ` +
	`bracketleft [ backslash \ bracketright ] asciicircum ^ underscore _ grave ` + "`" + ` braceleft { bar | braceright } asciitilde ~ ` +
	`quoteleft ‘ quoteright ’ quotesinglbase ‚ quotedblleft “ quotedblright ” quotedblbase „ guillemotleft « guillemotright » guilsinglleft ‹ guilsinglright › ` +
	`endash – emdash — ellipsis … bullet • dagger † daggerdbl ‡ perthousand ‰ fraction ⁄ minus − multiply × divide ÷ plusminus ± notequal ≠ lessequal ≤ greaterequal ≥ ` +
	`approxequal ≈ infinity ∞ partialdiff ∂ summation ∑ product ∏ radical √ integral ∫ lozenge ◊ degree ° mu µ paragraph ¶ section § copyright © registered ® trademark ™ ` +
	`cent ¢ sterling £ yen ¥ Euro € currency ¤ florin ƒ exclamdown ¡ questiondown ¿ brokenbar ¦ ordfeminine ª ordmasculine º logicalnot ¬ periodcentered · ` +
	`onesuperior ¹ twosuperior ² threesuperior ³ onequarter ¼ onehalf ½ threequarters ¾ ff ff fi fi fl fl ffi ffi ffl ffl germandbls ß AE Æ ae æ OE Œ oe œ Oslash Ø oslash ø ` +
	`Lslash Ł lslash ł Eth Ð eth ð Thorn Þ thorn þ dotlessi ı dotlessj ȷ Dcroat Đ dcroat đ Hbar Ħ hbar ħ kgreenlandic ĸ Eng Ŋ eng ŋ ` +
	`acute ´ dieresis ¨ macron ¯ cedilla ¸ circumflex ˆ tilde ˜ caron ˇ breve ˘ dotaccent ˙ ring ˚ ogonek ˛ hungarumlaut ˝ ` +
	`Alpha Α Beta Β Gamma Γ Delta Δ Epsilon Ε Zeta Ζ Eta Η Theta Θ Iota Ι Kappa Κ Lambda Λ Mu Μ Nu Ν Xi Ξ Omicron Ο Pi Π Rho Ρ Sigma Σ Tau Τ Upsilon Υ Phi Φ Chi Χ Psi Ψ Omega Ω ` +
	`alpha α beta β gamma γ delta δ epsilon ε zeta ζ eta η theta θ iota ι kappa κ lambda λ nu ν xi ξ omicron ο pi π rho ρ sigma σ tau τ upsilon υ phi φ chi χ psi ψ omega ω ` +
	`arrowleft ← arrowup ↑ arrowright → arrowdown ↓ nbspace   sfthyphen - `

// namedGlyph looks a name up; "" when it is not in the list.
func namedGlyph(name string) string {
	i := strings.Index(glyphs, " "+name+" ")
	if i < 0 {
		return ""
	}
	rest := glyphs[i+len(name)+2:]
	if rest[0] == ' ' {
		return " "
	}
	text, _, _ := strings.Cut(rest, " ")
	return text
}

// standardEncoding is where Adobe's standard encoding is not Windows-1252 (ISO
// 32000-1, annex D).
func standardEncoding() map[int]string {
	return map[int]string{
		0x27: "quoteright", 0x60: "quoteleft", 0xA4: "fraction", 0xA6: "florin", 0xA8: "currency", 0xA9: "quotesingle", 0xAA: "quotedblleft",
		0xAC: "guilsinglleft", 0xAD: "guilsinglright", 0xAE: "fi", 0xAF: "fl", 0xB1: "endash", 0xB2: "dagger", 0xB3: "daggerdbl", 0xB4: "periodcentered",
		0xB7: "bullet", 0xB8: "quotesinglbase", 0xB9: "quotedblbase", 0xBA: "quotedblright", 0xBC: "ellipsis", 0xBD: "perthousand",
		0xD0: "emdash", 0xE1: "AE", 0xE3: "ordfeminine", 0xE8: "Lslash", 0xE9: "Oslash", 0xEA: "OE", 0xEB: "ordmasculine", 0xF1: "ae",
		0xF5: "dotlessi", 0xF8: "lslash", 0xF9: "oslash", 0xFA: "oe", 0xFB: "germandbls",
	}
}
