package main

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/rogpeppe/go-internal/testscript"

	"bitmend/fixtures/s3server"
)

// makeUser makes a user of the server with no rights, who is then who bitmend
// runs as.
func makeUser(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(s3server.MakeUser(context.Background(), ts.Getenv("ENDPOINT"), args[0]))
	ts.Setenv("AWS_ACCESS_KEY_ID", args[0])
}

// allow gives a user the rights in a bucket that the README's table has for a
// job, and no others.
func allow(ts *testscript.TestScript, _ bool, args []string) {
	user, bucket, job := args[0], args[1], args[2]
	readme, err := os.ReadFile("README.md")
	ts.Check(err)
	onBucket, onObjects := rightsFor(string(readme), job)
	if len(onBucket) == 0 {
		ts.Fatalf("the README has no rights for %q", job)
	}
	if len(args) > 3 {
		without := func(action string) bool { return action == "s3:"+args[3] }
		onBucket, onObjects = slices.DeleteFunc(onBucket, without), slices.DeleteFunc(onObjects, without)
	}
	var statements []any
	for resource, actions := range map[string][]string{"": onBucket, "/*": onObjects} {
		if len(actions) > 0 {
			statements = append(statements, map[string]any{
				"Effect": "Allow", "Principal": map[string]any{"AWS": []string{user}}, "Action": actions, "Resource": "arn:aws:s3:::" + bucket + resource,
			})
		}
	}
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements})
	ts.Check(err)
	text := string(policy)
	_, err = s3server.Client(ts.Getenv("ENDPOINT")).PutBucketPolicy(context.Background(), &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: &text})
	ts.Check(err)
}

var action = regexp.MustCompile(`[A-Za-z]+`)

// rightsFor reads a row of the table. What stands in brackets is left out.
func rightsFor(readme, job string) (onBucket, onObjects []string) {
	for line := range strings.Lines(readme) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || strings.TrimSpace(strings.ReplaceAll(cells[1], "`", "")) != job {
			continue
		}
		read := func(cell string) (actions []string) {
			cell, _, _ = strings.Cut(cell, "[")
			for _, a := range action.FindAllString(cell, -1) {
				actions = append(actions, "s3:"+a)
			}
			return actions
		}
		return read(cells[2]), read(cells[3])
	}
	return nil, nil
}
