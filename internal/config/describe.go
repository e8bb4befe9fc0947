package config

import "fmt"

// Setting is one effective setting, fit to be shown to anybody.
type Setting struct {
	// Key is its name in sous.yaml.
	Key string `json:"key"`
	// Env is its environment variable.
	Env string `json:"env"`
	// Value is what is in force; a secret shows as "[secret]", what is unset as "".
	Value string `json:"value"`
	// Origin is default, file:line, env NAME, or flag; "" when unset.
	Origin string `json:"origin"`
	// Doc says what it is, Allowed what may be given.
	Doc     string `json:"doc"`
	Allowed string `json:"allowed"`
}

// String is the setting as one line.
func (s Setting) String() string {
	if s.Origin == "" {
		return s.Key + " is not set"
	}
	return fmt.Sprintf("%s = %s (%s)", s.Key, s.Value, s.Origin)
}

// Describe lists every setting in force and where it came from. A value changed since Load counts as
// given by flag.
func (c Config) Describe() []Setting {
	all := settings()
	list := make([]Setting, 0, len(all))
	for _, s := range all {
		d := Setting{Key: s.key, Env: s.env, Doc: s.doc, Allowed: s.allowed}
		if c.Timezone != nil || s.key != "timezone" {
			d.Value = s.show(&c)
		}
		switch was := c.loaded[s.key]; {
		case d.Value == was.shown:
			d.Origin = was.origin
		case d.Value != "":
			d.Origin = "flag"
		}
		list = append(list, d)
	}
	return list
}
