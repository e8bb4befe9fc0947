package redact

// luhn is the check of ISO/IEC 7812-1, annex B, over ASCII digits.
func luhn(d []byte) bool {
	sum := 0
	for i := range d {
		n := int(d[len(d)-1-i] - '0')
		if i%2 == 1 {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
	}
	return sum%10 == 0
}

// issuer says how a card's number looks by its first digits and length: 0 like none, 1 like one of a
// family so wide that other words must speak for it, 2 like one that is hardly anything else.
func issuer(d []byte) int {
	p := func(n int) int {
		v := 0
		for _, c := range d[:n] {
			v = v*10 + int(c-'0')
		}
		return v
	}
	in := func(v, lo, hi int) bool { return v >= lo && v <= hi }
	n, p2, p3, p4 := len(d), p(2), p(3), p(4)
	switch {
	case n == 16 && (d[0] == '4' || in(p2, 51, 55) || in(p4, 2221, 2720)): // Visa, Mastercard
		return 2
	case n == 15 && (p2 == 34 || p2 == 37): // American Express
		return 2
	case n == 16 && (p4 == 6011 || p2 == 65 || in(p3, 644, 649) || in(p4, 3528, 3589)): // Discover, JCB
		return 2
	case (n == 13 || n == 19) && d[0] == '4':
		return 1
	case in(n, 14, 19) && (in(p3, 300, 305) || p2 == 36 || p2 == 38 || p2 == 39 || p3 == 309): // Diners
		return 1
	case n == 15 && (p4 == 2131 || p4 == 1800): // JCB
		return 1
	case in(n, 16, 19) && (p2 == 62 || p2 == 81 || p4 == 6011 || p2 == 65 || p2 == 35 || p2 == 60 || p2 == 22): // UnionPay, RuPay, Mir
		return 1
	case p2 == 50 || in(p2, 56, 58) || p2 == 63 || p2 == 67 || p4 == 604: // Maestro
		return 1
	}
	return 0
}

// ibanLength returns how long an IBAN of the country is, 0 when the country has none. Source: the SWIFT
// IBAN registry.
func ibanLength(country string) int {
	const table = "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24" +
		"FI18FK18FO18FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20" +
		"LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31" +
		"SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20YE30"
	for i := 0; i < len(table); i += 4 {
		if table[i] == country[0]&^0x20 && table[i+1] == country[1]&^0x20 {
			return int(table[i+2]-'0')*10 + int(table[i+3]-'0')
		}
	}
	return 0
}

// mod97 returns the remainder of ISO 7064 mod 97-10 over letters and digits, the first four moved to the
// end as ISO 13616 wants; a valid IBAN leaves 1.
func mod97(b []byte) int {
	r := 0
	for i := range b {
		switch c := b[(i+4)%len(b)]; {
		case isDigit(c):
			r = (r*10 + int(c-'0')) % 97
		default:
			r = (r*100 + int(c&^0x20-'A') + 10) % 97
		}
	}
	return r
}

// isSteuerID checks the German tax number of eleven digits: no leading zero, of the first ten digits one
// occurs two or three times and all others at most once, and the check digit of ISO 7064 mod 11,10.
func isSteuerID(d []byte) bool {
	if d[0] == '0' {
		return false
	}
	var count [10]int
	product := 10
	for _, c := range d[:10] {
		count[c-'0']++
		sum := (int(c-'0') + product) % 10
		if sum == 0 {
			sum = 10
		}
		product = sum * 2 % 11
	}
	repeated := 0
	for _, n := range count {
		if n > 3 {
			return false
		}
		if n > 1 {
			repeated++
		}
	}
	return repeated == 1 && (11-product)%10 == int(d[10]-'0')
}

// isNIR checks the French number of thirteen digits and a key of two: sex, a month that can be, and
// 97 minus the remainder as key. Numbers of Corsica carry a letter and are not known here.
func isNIR(d []byte) bool {
	month := int(d[3]-'0')*10 + int(d[4]-'0')
	if d[0] != '1' && d[0] != '2' || month < 1 || month > 12 && month < 20 || month > 42 && month < 50 {
		return false
	}
	r := 0
	for _, c := range d[:13] {
		r = (r*10 + int(c-'0')) % 97
	}
	return 97-r == int(d[13]-'0')*10+int(d[14]-'0')
}

// isBSN is the Dutch eleven test over nine digits.
func isBSN(d []byte) bool {
	sum := -int(d[8] - '0')
	for i, c := range d[:8] {
		sum += int(c-'0') * (9 - i)
	}
	return sum != 0 && sum%11 == 0
}

// isSSN says whether the Social Security Administration can have given the number: no area 000, 666 or
// 9xx, no group 00, no serial 0000.
func isSSN(d []byte) bool {
	area := string(d[:3])
	return area != "000" && area != "666" && d[0] != '9' && string(d[3:5]) != "00" && string(d[5:9]) != "0000"
}
