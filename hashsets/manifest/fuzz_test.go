package manifest_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bitmend/hashsets/manifest"
)

// cases is the folder of real lists that stands beside the module.
const cases = "../../../shared/cases"

// seeds adds the real lists of the given kinds, where they are there, and the
// ones made by hand.
func seeds(f *testing.F, kind func(name string) bool, made ...string) {
	for _, text := range made {
		f.Add([]byte(filled(text)))
	}
	const few, small = 40, 32 << 10
	added := 0
	err := filepath.WalkDir(cases, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || added == few || !kind(filepath.ToSlash(name)) {
			return err
		}
		text, err := os.ReadFile(name)
		if err == nil && len(text) <= small {
			f.Add(text)
			added++
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		f.Fatal(err)
	}
}

func below(folder string) func(string) bool {
	return func(name string) bool { return strings.Contains(name, folder) }
}

func ending(ends ...string) func(string) bool {
	return func(name string) bool {
		for _, end := range ends {
			if strings.HasSuffix(name, end) {
				return true
			}
		}
		return false
	}
}

// bounded is a Sink that holds what it is told to what a reader promises.
type bounded struct {
	t     *testing.T
	input []byte
	told  int
}

func (b *bounded) Entry(e manifest.Entry) error {
	b.count(e.Line)
	if e.Size < manifest.NoSize {
		b.t.Errorf("%q has the size %d", e.Name, e.Size)
	}
	for _, d := range e.Digests {
		if d.Algorithm == "" || len(d.Sum) == 0 {
			b.t.Errorf("%q has a digest of %d bytes under %q", e.Name, len(d.Sum), d.Algorithm)
		}
		if h := manifest.NewHash(d.Algorithm); h != nil && h.Size() != len(d.Sum) {
			b.t.Errorf("%q has a digest of %d bytes under %s", e.Name, len(d.Sum), d.Algorithm)
		}
	}
	return nil
}

func (b *bounded) Problem(p manifest.Problem) error {
	b.count(p.Line)
	if p.Kind == "" || p.Text == "" {
		b.t.Errorf("a problem says nothing: %+v", p)
	}
	if len(p.Text) > 1000 {
		b.t.Errorf("a problem has a text of %d bytes", len(p.Text))
	}
	return nil
}

// count holds the number of entries and problems to that of the list's bytes.
func (b *bounded) count(line int) {
	if b.told++; b.told > len(b.input)+3 {
		b.t.Fatalf("%d entries and problems of %d bytes", b.told, len(b.input))
	}
	if line < 0 || line > len(b.input)+1 {
		b.t.Errorf("line %d of %d bytes", line, len(b.input))
	}
}

func fuzz(f *testing.F, format manifest.Format, opts manifest.Options) {
	f.Fuzz(func(t *testing.T, list []byte) {
		if err := manifest.Read(format, bytes.NewReader(list), opts, &bounded{t: t, input: list}); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzSumFile(f *testing.F) {
	seeds(f, below("/tool-manifests/"), "{sha256}  a\n", "\\{md5} *a\\\\b\n", "SHA2-256(a)= {sha256}\n", "{md5}  a\x00{md5}  b\x00",
		"{sha256:base64}  a\n", "XXH3_{xxh3}  a\n", "XXH64_LE (a) = {xxh64}\n", "\xff\xfea\x00", "-----BEGIN PGP SIGNED MESSAGE-----\n\n{md5}  a\n", "{md5}\n", "4294967295 6 a\n")
	fuzz(f, manifest.SumFile, manifest.Options{ListName: "a.txt"})
}

func FuzzSFV(f *testing.F) {
	seeds(f, ending(".sfv"), ";a {crc32}\n", "caf\xe9\\b  {crc32}\r\n")
	fuzz(f, manifest.SFV, manifest.Options{Strip: "a/"})
}

func FuzzHashdeep(f *testing.F) {
	seeds(f, below("/hashdeep/"), "%%%% HASHDEEP-1.0\n%%%% size,md5,filename\n6,{md5},a,b\n", "%%%% size,odd,filename\n6,00,a\n")
	fuzz(f, manifest.Hashdeep, manifest.Options{})
}

func FuzzBag(f *testing.F) {
	seeds(f, ending("manifest-md5.txt", "manifest-sha512.txt", "bagit.txt", "bag-info.txt", "fetch.txt"), "{md5} *data/a%0A%25\r", "u - data/a\n", "Payload-Oxum: 1.2\n")
	f.Fuzz(func(t *testing.T, list []byte) {
		for _, encoding := range []string{"UTF-8", "UTF-16", "ISO-8859-1"} {
			opts := manifest.Options{ListName: "manifest-md5.txt", Version: manifest.Version{Major: 1}, Encoding: encoding}
			for _, format := range []manifest.Format{manifest.BagIt, manifest.BagFetch} {
				if err := manifest.Read(format, bytes.NewReader(list), opts, &bounded{t: t, input: list}); err != nil {
					t.Fatal(err)
				}
			}
			if _, _, _, err := manifest.PayloadOxum(bytes.NewReader(list), encoding); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := manifest.ReadBagDeclaration(bytes.NewReader(list)); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzMHL(f *testing.F) {
	seeds(f, below("/mhl-1.1/"), "<hashlist><hash><file>a</file><md5>{md5}</md5></hash></hashlist>", utf16LE("<?xml version=\"1.0\"?><hashlist/>"))
	fuzz(f, manifest.MHL, manifest.Options{})
}

func FuzzASCMHL(f *testing.F) {
	seeds(f, ending(".mhl", "ascmhl_chain.xml"), `<hashlist><hashes><hash><path size="6">a</path><md5 action="failed">{md5}</md5></hash></hashes></hashlist>`)
	f.Fuzz(func(t *testing.T, list []byte) {
		for _, format := range []manifest.Format{manifest.ASCMHL, manifest.ASCChain} {
			if err := manifest.Read(format, bytes.NewReader(list), manifest.Options{}, &bounded{t: t, input: list}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzDeb822(f *testing.F) {
	seeds(f, ending(".dsc", "Packages.subset"), "Files:\n {md5} 6 a\n", "Filename: a\nMD5sum: {md5}\n\n", "SHA256:\n {sha256} 6 a\n")
	fuzz(f, manifest.Deb822, manifest.Options{})
}

func FuzzNPM(f *testing.F) {
	seeds(f, ending("package-lock.json"), `{"packages":{"node_modules/@a/b":{"version":"1","integrity":"sha256-{sha256:base64}?x","resolved":"u/v"}}}`, `{"dependencies":{"a":{"dependencies":{"b":{}}}}}`)
	fuzz(f, manifest.NPM, manifest.Options{})
}

func FuzzGoSum(f *testing.F) {
	seeds(f, ending("go.sum", ".ziphash"), "a.b/C v1.0.0/go.mod h1:{sha256:base64}\n", "a.b/c v1 h2:x\n")
	f.Fuzz(func(t *testing.T, list []byte) {
		for _, format := range []manifest.Format{manifest.GoSum, manifest.ZipHash} {
			if err := manifest.Read(format, bytes.NewReader(list), manifest.Options{}, &bounded{t: t, input: list}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func FuzzRecord(f *testing.F) {
	seeds(f, ending("/RECORD"), "a,sha256={sha256:bare},6\n", "\"a,b\",,\n", "\"a\nb\",sha1={sha1:bare},\n")
	fuzz(f, manifest.Record, manifest.Options{Below: "lib/python3/site-packages"})
}

func FuzzOCFL(f *testing.F) {
	seeds(f, ending("inventory.json"), `{"digestAlgorithm":"sha512","manifest":{"{sha512}":["v1/content/a"]},"fixity":{"size":{"6":["a"]},"odd":{"00":["b"]}},"head":"v1","versions":{"v1":{"state":{"ab":["x"]}}}}`)
	fuzz(f, manifest.OCFL, manifest.Options{})
}

func FuzzOCI(f *testing.F) {
	seeds(f, ending("/index.json"), `{"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:{sha256}","size":6}],"config":{"digest":"sha512:{sha512}","size":6}}`,
		"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize 6\n")
	f.Fuzz(func(t *testing.T, list []byte) {
		for _, format := range []manifest.Format{manifest.OCIIndex, manifest.LFSObject} {
			if err := manifest.Read(format, bytes.NewReader(list), manifest.Options{}, &bounded{t: t, input: list}); err != nil {
				t.Fatal(err)
			}
		}
		manifest.Detect("list", list)
	})
}
