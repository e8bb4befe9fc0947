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

// issuer says how a card's number looks by its first four digits and its length: 0 like none, 1 like one of
// a family so wide that other words must speak for it, 2 like one that is hardly anything else.
func issuer(d []byte) int {
	first := int(d[0]-'0')*1000 + int(d[1]-'0')*100 + int(d[2]-'0')*10 + int(d[3]-'0')
	for _, r := range [...]struct{ lo, hi, least, most, sure int }{
		{4000, 4999, 16, 16, 2}, {5100, 5599, 16, 16, 2}, {2221, 2720, 16, 16, 2}, // Visa, Mastercard
		{3400, 3499, 15, 15, 2}, {3700, 3799, 15, 15, 2}, // American Express
		{6011, 6011, 16, 16, 2}, {6440, 6599, 16, 16, 2}, {3528, 3589, 16, 16, 2}, // Discover, JCB
		{4000, 4999, 13, 13, 1}, {4000, 4999, 19, 19, 1}, // Visa
		{3000, 3059, 14, 19, 1}, {3090, 3099, 14, 19, 1}, {3600, 3699, 14, 19, 1}, {3800, 3999, 14, 19, 1}, // Diners
		{2131, 2131, 15, 15, 1}, {1800, 1800, 15, 15, 1}, {3500, 3599, 16, 19, 1}, // JCB
		{6200, 6299, 16, 19, 1}, {8100, 8199, 16, 19, 1}, {6000, 6099, 16, 19, 1}, {6440, 6599, 17, 19, 1}, {2200, 2299, 16, 19, 1}, // UnionPay, RuPay, Discover, Mir
		{5000, 5099, 12, 19, 1}, {5600, 5899, 12, 19, 1}, {6300, 6399, 12, 19, 1}, {6700, 6799, 12, 19, 1}, {604, 604, 12, 19, 1}, // Maestro
	} {
		if first >= r.lo && first <= r.hi && len(d) >= r.least && len(d) <= r.most {
			return r.sure
		}
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
