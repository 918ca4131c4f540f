package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"ptabench/observe"
	"ptabench/ports"
	"ptabench/setup"
)

// A role that somebody runs by hand, in a terminal, speaks to them: what it
// serves, where its secrets are, and what comes next, instead of a line of JSON
// that fills the screen. Whatever is no terminal gets JSON.

// logTo is a log from a level on, in JSON, or for a terminal in text.
func logTo(w io.Writer, level slog.Leveler) *slog.Logger {
	if !isTerminal(w) {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		switch {
		case len(groups) > 0:
		case a.Key == slog.TimeKey:
			return slog.String(slog.TimeKey, a.Value.Time().Format("15:04:05"))
		case a.Key == "ports" && a.Value.Kind() == slog.KindAny:
			return slog.Attr{} // half a screen, and the cloud file has it
		}
		return a
	}}))
}

// sayReady writes the ready line, or for a terminal what it says in words.
func sayReady(w io.Writer, cmd *cobra.Command, r observe.Ready) error {
	if !isTerminal(w) {
		return json.NewEncoder(w).Encode(r)
	}
	_, err := io.WriteString(w, readyWords(r, os.Args[0], flagValue(cmd, "state"), flagValue(cmd, "cloud"), administrators(cmd)))
	return err
}

func flagValue(cmd *cobra.Command, name string) string {
	if f := cmd.Flags().Lookup(name); f != nil {
		return f.Value.String()
	}
	return ""
}

// administrators are those that a simulator has been given, and the one that
// its first tenant has by default.
func administrators(cmd *cobra.Command) []string {
	given, err := cmd.Flags().GetStringArray("administrator")
	if err == nil && len(given) > 0 {
		return given
	}
	tenants, err := cmd.Flags().GetStringArray("tenant")
	if err != nil {
		return nil
	}
	for _, text := range tenants {
		if t, err := parseTenant(text); err == nil && len(t.Domains) > 0 {
			return []string{"admin@" + t.Domains[0]}
		}
	}
	return nil
}

// observeToken is where the token is that a simulator goes by.
func observeToken(file string) string {
	if os.Getenv("PTABENCH_OBSERVE_TOKEN") != "" {
		return "PTABENCH_OBSERVE_TOKEN"
	}
	return file
}

// readyWords is what a role says in a terminal once it serves.
func readyWords(r observe.Ready, call, state, cloud string, administrators []string) string {
	var out strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&out, format+"\n", args...) }
	file := func(name string) string { return setup.Word(filepath.Join(state, name)) }
	switch r.Role {
	case "cloudsim":
		say("\nThe cloud serves.")
		say("  users sign in   https://%s/ (signed by %s)", r.Ports[ports.SignIn], file("ca.pem"))
		if len(administrators) > 0 {
			say("  administrator   %s,\n                  password in %s", strings.Join(administrators, ", "), setup.Word(r.Info["administrator_password_file"]))
		}
		say("  connectors      http://%s/admin/,\n                  token in %s", r.Ports["observe"], observeToken(file("observe.token")))
		say("  all its ports   %s", file("cloud.json"))
		say("Next, in other terminals, a directory and a connector (for a federated tenant\na federation server instead: docs/sign-in.md):")
		say("  %s directory --state directory --users 100", call)
		say("  %s setup --cloud %s", call, file("cloud.json"))
	case "directory":
		say("\nThe directory serves %s.", r.Info["domain"])
		say("  address         ldaps://%s (signed by %s)", r.Ports["ldaps"], file("ca.pem"))
		say("  bind account    %s", r.Info["service_dn"])
		if _, err := os.Stat(filepath.Join(state, "service.password")); err == nil {
			say("                  password in %s", file("service.password"))
		}
		if r.Info["users_file"] != "" {
			say("  users           those of %s", r.Info["users_file"])
		} else {
			say("  a user          user000001@%s,\n                  password by '%s directory password user000001'", r.Info["domain"], call)
		}
		say("Next, in another terminal, with the cloud's file:")
		say("  %s setup --cloud cloud/cloud.json \\\n    --directory ldaps://%s \\\n    --directory-ca %s \\\n    --directory-password-file %s",
			call, r.Ports["ldaps"], file("ca.pem"), file("service.password"))
	case "connector":
		say("\nThe connector %s is attached to the cloud and serves sign-ins.", r.Name)
		say("To see it: %s connectors --cloud %s", call, setup.Word(cloud))
	case "app":
		say("\nThe sample app serves: open %s in a browser, and sign in.", r.Info["home"])
	default:
		say("\nThe %s serves.", r.Role)
		for _, name := range sortedKeys(r.Ports) {
			say("  %-14s  %s", name, r.Ports[name])
		}
	}
	say("Ctrl-C ends it.\n")
	return out.String()
}
