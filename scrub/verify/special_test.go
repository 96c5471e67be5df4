package verify_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bitmend/scrub/verify"
)

// harm is what is done to a good folder, and what verify must say then.
type harm struct {
	name   string
	do     func(t *testing.T)
	status verify.Status // "" where all stays well
	words  string        // of the reason, the evidence or the name
	exit   int
}

// harmed makes a folder in a new place for each harm, and verifies it.
func harmed(t *testing.T, build func(t *testing.T), opts verify.Options, harms []harm) {
	t.Helper()
	good := harm{name: "good", do: func(*testing.T) {}}
	for _, h := range append([]harm{good}, harms...) {
		t.Run(h.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			build(t)
			h.do(t)
			rec := run(t, opts)
			if rec.sum.Exit != h.exit {
				t.Errorf("exit status %d, want %d\n%s", rec.sum.Exit, h.exit, rec)
			}
			if h.status != "" && !rec.says(h.status, h.words) {
				t.Errorf("nothing is %s with %q\n%s", h.status, h.words, rec)
			}
			if rec.sum.Counts[verify.OK] == 0 && h.status == "" {
				t.Errorf("nothing was checked\n%s", rec)
			}
		})
	}
}

func (r *recorder) says(status verify.Status, words string) bool {
	for i := range r.results {
		res := &r.results[i]
		said := strings.Join(append([]string{res.Path(), res.Reason, string(res.Diagnosis)}, res.Evidence...), "\n")
		if res.Status == status && strings.Contains(said, words) {
			return true
		}
	}
	return false
}

// writing, flipping, removing and adding are harms.
func writing(name, content string) func(t *testing.T) {
	return func(t *testing.T) { write(t, name, content) }
}

func removing(name string) func(t *testing.T) {
	return func(t *testing.T) {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
}

func replacing(name, old, instead string) func(t *testing.T) {
	return func(t *testing.T) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), old) {
			t.Fatalf("%s has no %q", name, old)
		}
		write(t, name, strings.Replace(string(text), old, instead, 1))
	}
}

// inventory is that of an OCFL object with one file, and what stands beside it.
func ocflObject(t *testing.T) {
	sum := fmt.Sprintf("%x", sha512.Sum512([]byte("content\n")))
	text := fmt.Sprintf(`{"id":"urn:x","type":"https://ocfl.io/1.1/spec/#inventory","digestAlgorithm":"sha512","head":"v1",
"fixity":{"md5":{"%x":["v1/content/a.txt"]}},
"manifest":{"%s":["v1/content/a.txt"]},
"versions":{"v1":{"created":"2026-01-01T00:00:00Z","message":"first","state":{"%s":["a.txt"]},"user":{"name":"x","address":"mailto:x@example.org"}}}}
`, md5.Sum([]byte("content\n")), sum, sum)
	for _, dir := range []string{"object/", "object/v1/"} {
		write(t, dir+"inventory.json", text)
		write(t, dir+"inventory.json.sha512", fmt.Sprintf("%x  inventory.json\n", sha512.Sum512([]byte(text))))
	}
	write(t, "object/0=ocfl_object_1.1", "ocfl_object_1.1\n")
	write(t, "object/v1/content/a.txt", "content\n")
	write(t, "0=ocfl_1.1", "ocfl_1.1\n")
	write(t, "ocfl_layout.json", "{}")
	write(t, "extensions/x/config.json", "{}")
}

func TestOCFLObjects(t *testing.T) {
	harmed(t, ocflObject, verify.Options{}, []harm{
		{"content", writing("object/v1/content/a.txt", "contemt\n"), verify.Bad, "v1/content/a.txt", 4},
		{"content gone", removing("object/v1/content/a.txt"), verify.Missing, "v1/content/a.txt", 4},
		{"content added", writing("object/v1/content/b.txt", "b"), verify.Extra, "v1/content/b.txt", 2},
		{"hidden content added", writing("object/v1/content/.gitignore", "b"), verify.Extra, "v1/content/.gitignore", 2},
		{"fixity", func(t *testing.T) {
			replacing("object/inventory.json", `"md5":{"`, `"md5":{"00000000000000000000000000000000":["v1/content/a.txt"],"`)(t)
		}, verify.Conflict, "v1/content/a.txt", 6},
		{"inventory", replacing("object/inventory.json", "first", "First"), verify.Bad, "object/inventory.json", 6},
		{"inventory of the newest version", replacing("object/v1/inventory.json", "first", "First"), verify.Invalid, "is not that of the object", 2},
		{"inventory of the newest version gone", removing("object/v1/inventory.json"), verify.Invalid, "v1", 2},
		{"inventory gone", removing("object/inventory.json"), verify.Invalid, "inventory", 6},
		{"sidecar", writing("object/inventory.json.sha512", "no digest\n"), verify.Malformed, "", 2},
		{"declaration", writing("object/0=ocfl_object_1.1", "something else\n"), verify.Invalid, "declaration", 2},
		{"beside the objects", writing("README", "x"), verify.Extra, "README", 2},
	})
}

func ociLayout(t *testing.T) {
	blob := func(content string) string {
		sum := fmt.Sprintf("%x", sha256.Sum256([]byte(content)))
		write(t, "image/blobs/sha256/"+sum, content)
		return sum
	}
	layer, config := "layer layer layer", `{"architecture":"amd64"}`
	manifest := fmt.Sprintf(`{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%d},`+
		`"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:%s","size":%d}]}`, blob(config), len(config), blob(layer), len(layer))
	write(t, "image/index.json", fmt.Sprintf(`{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%d}]}`, blob(manifest), len(manifest)))
	write(t, "image/oci-layout", `{"imageLayoutVersion":"1.0.0"}`)
}

func TestOCILayouts(t *testing.T) {
	layer := fmt.Sprintf("image/blobs/sha256/%x", sha256.Sum256([]byte("layer layer layer")))
	harmed(t, ociLayout, verify.Options{}, []harm{
		{"layer", writing(layer, "layer lAyer layer"), verify.Bad, filepath.Base(layer), 4},
		{"layer gone", removing(layer), verify.Missing, filepath.Base(layer), 4},
		{"a size", replacing("image/index.json", `"size":`, `"size":1`), verify.Conflict, "", 4},
		{"no digest", writing("image/blobs/sha256/readme", "x"), verify.Invalid, "its name is no digest", 2},
		{"beside the blobs", writing("image/readme", "x"), verify.Extra, "image/readme", 2},
	})
}

func lfsStore(t *testing.T) {
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("large file")))
	write(t, "repo/.git/lfs/objects/"+sum[:2]+"/"+sum[2:4]+"/"+sum, "large file")
	write(t, "repo/a.bin", "large file")
	write(t, "repo/SHA256SUMS", sumLine("a.bin", "large file"))
}

func TestGitLFSObjects(t *testing.T) {
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte("large file")))
	object := "repo/.git/lfs/objects/" + sum[:2] + "/" + sum[2:4] + "/" + sum
	for _, path := range []string{"repo", "repo/.git/lfs/objects"} {
		harmed(t, lfsStore, verify.Options{Paths: []string{path}}, []harm{
			{"object", writing(object, "lArge file"), verify.Bad, sum, 4},
			{"no digest", writing(filepath.Dir(object)+"/tmp", "x"), verify.Invalid, "its name is no digest", 2},
		})
	}
}

const packages = "venv/lib/python3.11/site-packages/"

func pythonPackage(t *testing.T) {
	sum := func(content string) string {
		h := sha256.Sum256([]byte(content))
		return fmt.Sprintf("sha256=%s,%d", base64.RawURLEncoding.EncodeToString(h[:]), len(content))
	}
	write(t, packages+"pkg/__init__.py", "x = 1\n")
	write(t, "venv/bin/tool", "#!python\n")
	write(t, packages+"pkg-1.0.dist-info/RECORD",
		"pkg/__init__.py,"+sum("x = 1\n")+"\n../../../bin/tool,"+sum("#!python\n")+"\npkg/__pycache__/x.pyc,,\npkg-1.0.dist-info/RECORD,,\n")
}

func TestPythonDistributions(t *testing.T) {
	harmed(t, pythonPackage, verify.Options{}, []harm{
		{"edited", writing(packages+"pkg/__init__.py", "x = 2\n"), verify.Bad, "pkg/__init__.py", 4},
		{"script edited", writing("venv/bin/tool", "#!/bin/sh\n"), verify.Bad, "bin/tool", 4},
		{"gone", removing("venv/bin/tool"), verify.Missing, "bin/tool", 4},
		{"added", writing(packages+"pkg/more.py", ""), verify.Extra, "more.py", 2},
		{"out of the environment", replacing(packages+"pkg-1.0.dist-info/RECORD", "../../../bin/tool", "../../../../outside"), verify.UnsafePath, "", 2},
		{"no columns", replacing(packages+"pkg-1.0.dist-info/RECORD", "../../../bin/tool,", "../../../bin/tool;"), verify.Malformed, "columns", 2},
	})
}

// deb makes a Debian package of which the control part lists what it is told.
func deb(t *testing.T, lists, files map[string]string, end string) {
	t.Helper()
	pack := func(files map[string]string) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		w := tar.NewWriter(z)
		for name, content := range files {
			err := w.WriteHeader(&tar.Header{Name: "./" + name, Mode: 0o644, Size: int64(len(content)), Typeflag: tar.TypeReg})
			if err == nil {
				_, err = w.Write([]byte(content))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		w.Close()
		z.Close()
		return b.Bytes()
	}
	b := bytes.NewBufferString("!<arch>\n")
	for _, member := range []struct {
		name    string
		content []byte
	}{{"debian-binary", []byte("2.0\n")}, {"control.tar.gz", pack(lists)}, {"data.tar.gz", pack(files)}} {
		fmt.Fprintf(b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n%s", member.name, 0, 0, 0, "100644", len(member.content), member.content)
		if len(member.content)%2 == 1 {
			b.WriteByte('\n')
		}
	}
	write(t, "x.deb", b.String()+end)
}

func TestDebianPackages(t *testing.T) {
	line := func(name, content string) string { return fmt.Sprintf("%x  %s\n", md5.Sum([]byte(content)), name) }
	lists := map[string]string{"md5sums": line("usr/bin/x", "program") + line("usr/share/y", "data"), "conffiles": "/etc/x.conf\n"}
	files := map[string]string{"usr/bin/x": "program", "usr/share/y": "data", "etc/x.conf": "setting"}
	with := func(lists, files map[string]string, end string) func(t *testing.T) {
		return func(t *testing.T) { deb(t, lists, files, end) }
	}
	harmed(t, with(lists, files, ""), verify.Options{Paths: []string{"x.deb"}}, []harm{
		{"content", with(lists, map[string]string{"usr/bin/x": "programme", "usr/share/y": "data"}, ""), verify.Bad, "usr/bin/x", 4},
		{"gone", with(lists, map[string]string{"usr/bin/x": "program"}, ""), verify.Missing, "usr/share/y", 4},
		{"added", with(lists, map[string]string{"usr/bin/x": "program", "usr/share/y": "data", "usr/z": ""}, ""), verify.Extra, "usr/z", 2},
		{"nothing listed", with(map[string]string{"control": "Package: x\n"}, map[string]string{"etc/x": ""}, ""), verify.Extra, "etc/x", 2},
		{"a line that is none", with(map[string]string{"md5sums": "junk\n" + lists["md5sums"]}, map[string]string{"usr/bin/x": "program", "usr/share/y": "data"}, ""), verify.Malformed, "md5sums", 2},
		{"cut off", func(t *testing.T) {
			info, err := os.Stat("x.deb")
			if err == nil {
				err = os.Truncate("x.deb", info.Size()-20)
			}
			if err != nil {
				t.Fatal(err)
			}
		}, verify.Bad, "no whole Debian package", 4},
		{"a bit of the packed data", func(t *testing.T) {
			text, err := os.ReadFile("x.deb")
			if err != nil {
				t.Fatal(err)
			}
			text[len(text)-30] ^= 4
			write(t, "x.deb", string(text))
		}, verify.Bad, "no whole Debian package", 4},
		{"junk at the end", with(lists, files, "junk"), verify.Bad, "no whole Debian package", 4},
		{"no package", writing("x.deb", "no package"), verify.Bad, "no whole Debian package", 4},
	})
}

func bag(t *testing.T) {
	write(t, "bag/bagit.txt", "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
	write(t, "bag/data/a.txt", "content\n")
	write(t, "bag/data/b.txt", "more\n")
	write(t, "bag/manifest-sha256.txt", sumLine("data/a.txt", "content\n")+sumLine("data/b.txt", "more\n"))
	write(t, "bag/bag-info.txt", "Payload-Oxum: 13.2\n")
}

func TestBags(t *testing.T) {
	for _, path := range []string{"bag", "bag/manifest-sha256.txt"} {
		harmed(t, bag, verify.Options{Paths: []string{path}}, []harm{
			{"content", writing("bag/data/a.txt", "contemt\n"), verify.Bad, "data/a.txt", 4},
			{"the size of the payload", writing("bag/bag-info.txt", "Payload-Oxum: 14.2\n"), verify.Invalid, "Payload-Oxum says 14 bytes in 2 files, and there are 13 in 2", 2},
			{"to be fetched", func(t *testing.T) {
				removing("bag/data/b.txt")(t)
				write(t, "bag/fetch.txt", "https://example.org/b 5 data/b.txt\n")
			}, verify.Missing, "fetch.txt says where it is to be fetched from", 6},
			{"a second manifest", writing("bag/manifest-md5.txt", "f75b8179e4bbe7e2b4a074dcef62de95  data/a.txt\n"), verify.Invalid, "data/b.txt", 2},
		})
	}
	harmed(t, bag, verify.Options{Paths: []string{"bag/bagit.txt"}}, []harm{
		{"no manifest", removing("bag/manifest-sha256.txt"), verify.Invalid, "no manifest of its payload", 2},
	})
}
