package manifest_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"bitmend/hashsets"
	"bitmend/hashsets/manifest"
)

// hello is the content of every file that the lists of these tests speak of.
const hello = "hello\n"

// digestOf is the checksum of hello.
func digestOf(a hashsets.Algorithm) []byte {
	h := manifest.NewHash(a)
	if h == nil {
		return nil
	}
	io.WriteString(h, hello)
	return h.Sum(nil)
}

// filled puts the checksums of hello in the places that a text has for them:
// {md5} in hexadecimal, {MD5} in capitals, {md5:base64}, {md5:url}, {md5:bare}
// in the kinds of base64, {xxh64:reversed} with its bytes reversed.
func filled(text string) string {
	var pairs []string
	for _, a := range []hashsets.Algorithm{
		hashsets.MD5, hashsets.SHA1, hashsets.SHA256, hashsets.SHA512, hashsets.CRC32, hashsets.XXH64, hashsets.XXH128, hashsets.BLAKE3,
		manifest.SHA224, manifest.SHA384, manifest.SHA512_256, manifest.SHA3_256, manifest.BLAKE2b, manifest.BLAKE2b256,
		manifest.SM3, manifest.XXH32, manifest.XXH3, manifest.Tiger, manifest.Whirlpool, manifest.GoMod, "blake3-512",
	} {
		sum := digestOf(a)
		backwards := slices.Clone(sum)
		slices.Reverse(backwards)
		pairs = append(pairs,
			"{"+string(a)+"}", hex.EncodeToString(sum),
			"{"+strings.ToUpper(string(a))+"}", strings.ToUpper(hex.EncodeToString(sum)),
			"{"+string(a)+":base64}", base64.StdEncoding.EncodeToString(sum),
			"{"+string(a)+":url}", base64.URLEncoding.EncodeToString(sum),
			"{"+string(a)+":bare}", base64.RawURLEncoding.EncodeToString(sum),
			"{"+string(a)+":reversed}", hex.EncodeToString(backwards),
		)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// said is a Sink that writes down what it is told, a line each. A checksum that
// is that of hello is written as its algorithm alone.
type said struct{ lines []string }

func (s *said) Entry(e manifest.Entry) error {
	line := fmt.Sprintf("%d: %q", e.Line, e.Name)
	for _, d := range e.Digests {
		line += " " + string(d.Algorithm)
		if d.Guessed {
			line += "?"
		}
		if !bytes.Equal(d.Sum, digestOf(d.Algorithm)) {
			line += fmt.Sprintf("=%x", d.Sum)
		}
	}
	if e.Size != manifest.NoSize {
		line += fmt.Sprintf(" size %d", e.Size)
	}
	for _, flag := range []struct {
		is   bool
		name string
	}{{e.Any, " any"}, {e.SizeOnly, " size-only"}, {e.Optional, " optional"}, {e.Nested, " nested"}, {e.Doubtful, " doubtful"}} {
		if flag.is {
			line += flag.name
		}
	}
	for _, other := range e.Also {
		line += fmt.Sprintf(" or %q", other)
	}
	s.lines = append(s.lines, line)
	return nil
}

func (s *said) Problem(p manifest.Problem) error {
	line := fmt.Sprintf("%d! %s", p.Line, p.Kind)
	if p.Name != "" {
		line += fmt.Sprintf(" %q", p.Name)
	}
	s.lines = append(s.lines, line+": "+p.Text)
	return nil
}

// reading is a list and what is to be read in it: of problems, the beginning.
type reading struct {
	name string
	opts manifest.Options
	list string
	want []string
}

func (r reading) run(t *testing.T, format manifest.Format) {
	t.Run(r.name, func(t *testing.T) {
		got := &said{}
		if err := manifest.Read(format, strings.NewReader(filled(r.list)), r.opts, got); err != nil {
			t.Fatal(err)
		}
		for i, line := range got.lines {
			if i < len(r.want) && strings.Contains(r.want[i], "! ") && strings.HasPrefix(line, r.want[i]) {
				got.lines[i] = r.want[i]
			}
		}
		if diff := cmp.Diff(r.want, got.lines); diff != "" {
			t.Errorf("read in\n%.2000s\n(- wanted, + read)\n%s", filled(r.list), diff)
		}
	})
}

func runAll(t *testing.T, format manifest.Format, readings []reading) {
	t.Helper()
	for _, r := range readings {
		r.run(t, format)
	}
}

// named are the options of a list that is called so.
func named(name string) manifest.Options { return manifest.Options{ListName: name} }
