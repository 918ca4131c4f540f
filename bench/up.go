package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"ptabench/bench/proc"
	"ptabench/observe"
	"ptabench/population"
	"ptabench/scenarios"
)

// roleApp is the sample app, which only Up starts.
const roleApp = "app"

// Standing is a system that waits for people: where it is, and who may sign in.
type Standing struct {
	App          string // address of the sample app
	Cloud        string // address of the sign-in port
	Authority    string // file with all by whom certificates are to be verified
	Balancer     string // address of the federation servers; empty without
	ObserveToken string // of the roles' observe listeners
	Processes    []observe.Ready
	Users        *population.Population // nil for those of somebody's own directory
	// AdministratorPassword is the file that has the administrators'.
	AdministratorPassword string
}

// Up starts the system of a scenario without load or faults, and the sample app
// with it, for people to sign in to. It tells when it stands, and ends it when
// ctx does.
func Up(ctx context.Context, o Options, stands func(Standing)) (err error) {
	if o.Scenario.Network == scenarios.Namespaces {
		return errors.New("network: namespaces: expected loopback, which a browser can reach")
	}
	r, err := prepare(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close(ctx)) }()
	r.system = newSystem(r)
	r.system.accounts = r.accounts()
	if err := r.system.start(ctx); err != nil {
		return fmt.Errorf("starting: %w", err)
	}
	app, err := r.roles.Start(ctx, r.system.commands.app())
	if err != nil {
		return fmt.Errorf("starting: %w", err)
	}
	standing := r.system.standing(app, r.users)
	if standing.Authority, err = r.system.authority(); err != nil {
		return fmt.Errorf("starting: %w", err)
	}
	stands(standing)
	<-ctx.Done()
	return nil
}

func (c *commands) app() proc.Spec {
	return proc.Spec{
		Name: roleApp, Role: roleApp, LogFile: c.log(roleApp),
		Command: c.command(roleApp, "--name", roleApp,
			"--cloud", filepath.Join(c.state(roleCloud), "cloud.json"), "--tenant", c.scenario.Tenants[0].Name),
	}
}

// clientFlags are those of the cloud for programs of one's own.
func clientFlags(clients, secretFiles []string) (flags []string) {
	for _, c := range clients {
		flags = append(flags, "--client", c)
	}
	for _, file := range secretFiles {
		flags = append(flags, "--client-secret-file", file)
	}
	return flags
}

// authority is a file with that of the cloud and that of the federation servers,
// which share one, if there are any: a browser meets both.
func (s *system) authority() (string, error) {
	if len(s.adfs) == 0 {
		return filepath.Join(s.commands.state(roleCloud), "ca.pem"), nil
	}
	file := filepath.Join(s.commands.dir, "authorities.pem")
	return file, writeAuthorities(file, s.cloud.Ready(), s.adfs[0].Ready())
}

func (s *system) standing(app *proc.Process, users *population.Population) Standing {
	all := Standing{
		App: app.Ready().Info["home"], Cloud: "https://" + s.cloud.Ready().Ports["443"] + "/",
		ObserveToken: s.commands.secrets.observe, AdministratorPassword: s.cloud.Ready().Info["administrator_password_file"],
	}
	if s.commands.scenario.Directory.Kind != scenarios.Outside {
		all.Users = users
	}
	if s.balancer != nil {
		all.Balancer = "https://" + s.balancer.Ready().Ports["https"] + "/"
	}
	for _, p := range s.processes() {
		all.Processes = append(all.Processes, p.Ready())
	}
	return all
}
