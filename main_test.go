package main

import (
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"bitmend/fixtures"
	"bitmend/fixtures/s3server"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"bitmend": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			os.Exit(run(ctx, os.Args, os.Stdout, os.Stderr))
		},
	})
}

// The scripts read like sessions. Besides bitmend itself they have:
//
//	corpus DIR SEED             make the corpus fixtures.Small in DIR
//	damage FAULT ROOT BLOB [written]
//	                            do the named fault of fixtures to a blob
//	remember DIR FILE           note every name, byte, mode and time below DIR
//	unchanged DIR FILE          fail unless DIR is as it was remembered, but for
//	                            the times of directories
//	server BUCKET…              start an S3 server with buckets, one of the name
//	                            NAME/versioned keeping versions; $S3 is what
//	                            follows ? in its URLs, $BUCKET the folder of a bucket's objects
//	proxy                       put a proxy before the server; $S3 is then its
//	hold METHOD PATTERN [carried-out]
//	                            never answer the next request of which the method is
//	                            that and the path holds the pattern
//	service denies METHOD       have the proxy deny all requests of the method
//	service stumbles METHOD     have it answer the next two with an internal error
//	service recovers            have it pass all requests again
//	kill-held                   wait until one is held, and kill the command in
//	                            the background
//	user NAME                   make a user of the server, who is then who bitmend runs as
//	allow NAME BUCKET JOB [RIGHT]
//	                            give a user the rights that the README names for a
//	                            job, without RIGHT
//	uploads BUCKET N            fail unless N uploads in parts are under way
//	large FILE SIZE             make a file of so many bytes
//	upload DIR BUCKET           put the files of DIR into a bucket
//	exits N COMMAND ARG…        run a command that must exit with N
//	remove BUCKET KEY           delete an object
//	onlyone DIR                 delete all files below DIR but the first
//	now NAME                    note the time in the variable NAME
//	note NAME EVENT FIELD       note a field of an event of the last output
//	rot DIR                     flip a bit in the middle of the first file below DIR
//	$SOURCE                     the folder of bitmend's own source
//	[server]                    a server for the command server is installed
//	event NAME [FIELD=VALUE…]   fail unless the last output has such an event;
//	                            with !, if it has one
func TestScripts(t *testing.T) {
	network := newNetwork(t)
	testscript.Run(t, testscript.Params{
		Dir: "fixtures/scripts",
		Setup: func(env *testscript.Env) error {
			source, err := os.Getwd()
			env.Setenv("SOURCE", source)
			return err
		},
		Cmds: withIncidents(map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"corpus":    makeCorpus,
			"damage":    damage,
			"remember":  remember,
			"unchanged": unchanged,
			"exits":     exits,
			"event":     event,
			"server":    startServer,
			"upload":    upload,
			"proxy":     network.proxy,
			"hold":      network.hold,
			"service":   network.service,
			"kill-held": network.kill,
			"uploads":   uploads,
			"user":      makeUser,
			"allow":     allow,
			"large":     makeLarge,
			"rot":       rot,
			"remove":    remove,
			"onlyone":   onlyOne,
			"now":       setNow,
			"note":      setField,
		}),
		Condition: func(cond string) (bool, error) {
			if cond != "server" {
				return false, fmt.Errorf("unknown condition %q", cond)
			}
			_, err := s3server.Find()
			return err == nil, nil
		},
	})
}

func makeCorpus(ts *testscript.TestScript, _ bool, args []string) {
	seed, err := strconv.ParseUint(args[1], 10, 64)
	ts.Check(err)
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	ts.Check(fixtures.Small(seed).Write(context.Background(), dir))
}

func damage(ts *testscript.TestScript, _ bool, args []string) {
	named, err := fixtures.FaultNamed(args[0])
	ts.Check(err)
	root := ts.MkAbs(args[1])
	info, err := os.Lstat(filepath.Join(root, args[2]))
	ts.Check(err)
	fault := named.On(fixtures.Target{
		Path: args[2], Directory: args[2], Size: info.Size(), ShardSize: fixtures.ShardSize, Seed: 1,
		Other: "sizes/seven-shards-plus-77",
	})
	if len(args) > 3 && args[3] == "written" {
		fault = fault.AsWritten()
	}
	ts.Check(fault.Apply(root))
}

func remember(ts *testscript.TestScript, _ bool, args []string) {
	snapshot, err := fixtures.Take(ts.MkAbs(args[0]))
	ts.Check(err)
	file, err := os.Create(ts.MkAbs(args[1]))
	ts.Check(err)
	defer file.Close()
	ts.Check(gob.NewEncoder(file).Encode(snapshot)) // names are bytes: not JSON
}

func unchanged(ts *testscript.TestScript, neg bool, args []string) {
	var before fixtures.Snapshot
	ts.Check(gob.NewDecoder(strings.NewReader(ts.ReadFile(args[1]))).Decode(&before))
	now, err := fixtures.Take(ts.MkAbs(args[0]))
	ts.Check(err)
	differences := before.WithoutDirectoryTimes().Diff(now.WithoutDirectoryTimes())
	if !neg && len(differences) > 0 {
		ts.Fatalf("%s is not as it was:\n%v", args[0], differences)
	}
	if neg && len(differences) == 0 {
		ts.Fatalf("%s is as it was", args[0])
	}
}

func startServer(ts *testscript.TestScript, _ bool, args []string) {
	server, err := s3server.Start(context.Background(), ts.MkAbs(".s3"))
	ts.Check(err)
	ts.Defer(server.Stop)
	for _, arg := range args {
		name, kind, _ := strings.Cut(arg, "/")
		ts.Check(server.MakeBucket(context.Background(), name, kind == "versioned"))
		ts.Setenv(name, server.Folder(name))
	}
	ts.Setenv("ENDPOINT", server.Endpoint)
	ts.Setenv("S3", "endpoint="+server.Endpoint+"&region="+s3server.Region)
	ts.Setenv("AWS_ACCESS_KEY_ID", s3server.AccessKey)
	ts.Setenv("AWS_SECRET_ACCESS_KEY", s3server.SecretKey)
	ts.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

func upload(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(s3server.Upload(context.Background(), ts.Getenv("ENDPOINT"), ts.MkAbs(args[0]), args[1]))
}

func remove(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(s3server.Remove(context.Background(), ts.Getenv("ENDPOINT"), args[0], args[1]))
}

func rot(ts *testscript.TestScript, _ bool, args []string) {
	done := errors.New("done")
	err := filepath.WalkDir(ts.MkAbs(args[0]), func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		ts.Check(err)
		flip := fixtures.Fault{Harm: fixtures.FlipBit, Path: entry.Name(), Offset: info.Size() / 2}
		ts.Check(flip.Apply(filepath.Dir(path)))
		return done
	})
	if err != done {
		ts.Fatalf("there is no file below %s: %v", args[0], err)
	}
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

func event(ts *testscript.TestScript, neg bool, args []string) {
	wanted := append([]string{"event=" + args[0]}, args[1:]...)
	for _, line := range strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n") {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			ts.Fatalf("not a JSON object: %s", line)
		}
		if hasAll(fields, wanted) {
			if neg {
				ts.Fatalf("there is such an event: %s", line)
			}
			return
		}
	}
	if !neg {
		ts.Fatalf("no event with %s", strings.Join(wanted, " "))
	}
}

// hasAll tells whether the object has each FIELD=VALUE. FIELD may be a path
// such as parity.damaged; lists and objects are compared as JSON.
func hasAll(fields map[string]any, wanted []string) bool {
	for _, w := range wanted {
		path, value, _ := strings.Cut(w, "=")
		var at any = fields
		for _, step := range strings.Split(path, ".") {
			object, ok := at.(map[string]any)
			if !ok {
				return false
			}
			at = object[step]
		}
		if render(at) != value {
			return false
		}
	}
	return true
}

func render(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case nil:
		return ""
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

// full is a disk on which nothing can be written.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestAReportThatCannotBeWrittenIsNoSuccess(t *testing.T) {
	tree := filepath.Join(t.TempDir(), "tree")
	if err := fixtures.Small(1).Write(t.Context(), tree); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"protect"}, {"scrub"}, {"scrub", "--json"}, {"repair"}, {"status"}, {"gates"}} {
		var said strings.Builder
		exit := run(t.Context(), append(append([]string{"bitmend"}, args...), tree), full{}, &said)
		if exit&8 == 0 || !strings.Contains(said.String(), "no space left") {
			t.Errorf("%q: exit status %d, and it said %q", args, exit, said.String())
		}
	}
}
