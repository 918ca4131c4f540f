package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"time"

	"ptabench/setup/ask"
	"ptabench/setup/cloud"
	"ptabench/setup/install"
	"ptabench/setup/preflight"
	"ptabench/setup/survey"
)

// Config is what the wizard needs.
type Config struct {
	Answers Answers
	// Asker asks for what is missing, and to confirm; nil when nobody can be
	// asked, and everything is confirmed.
	Asker ask.Asker
	Out   io.Writer
	Host  install.Host
	Call  string // how this program is called, for commands to print
	// Open opens a page in a browser of this host; nil when there is none.
	Open    func(ctx context.Context, address string)
	Timeout time.Duration // of each attempt to reach something
	// IgnorePreflight goes on although ports are not to be had.
	IgnorePreflight bool
	Foreground      bool // the connector ends with this program
	NoStart         bool // it is not started
}

// attachTime is how long the cloud may take to say that the connector is
// attached.
const attachTime = 30 * time.Second

// A wizard is one that goes on.
type wizard struct {
	Config
	cloud         *cloud.Cloud
	administrator *cloud.Administrator
	before        cloud.SignInMethod // that the tenant had
	about         survey.Directory
	suffixes      []string
	stays         bool   // this host has a connector that is active
	replaces      string // which connector the new one does, in words; empty for none
}

// errDeclined ends the wizard where nothing was changed yet.
var errDeclined = errors.New("not confirmed; nothing was changed")

// Run asks, and configures what was confirmed. With Foreground it returns when
// the connector has ended.
func Run(ctx context.Context, cfg Config) error {
	w := &wizard{Config: cfg}
	if w.Asker == nil {
		if err := w.Answers.check(); err != nil {
			return err
		}
	}
	defer func() {
		if w.administrator != nil {
			w.administrator.Close()
		}
	}()
	for _, step := range []func(context.Context) error{w.connectCloud, w.lookHere, w.connectDirectory, w.userSignIn, w.confirm} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return w.configure(ctx)
}

func (w *wizard) say(format string, args ...any) { fmt.Fprintf(w.Out, format+"\n", args...) }

// tell is say of prose, which is broken at words where it is long. Commands are
// not: they are copied.
func (w *wizard) tell(format string, args ...any) {
	fmt.Fprintln(w.Out, ask.Wrap(fmt.Sprintf(format, args...), 2))
}

// insist does a step until it succeeds, where somebody can be asked again.
func (w *wizard) insist(ctx context.Context, page func() ask.Page, do func() error) error {
	for {
		if w.Asker != nil {
			if err := w.Asker.Ask(ctx, page()); err != nil {
				return err
			}
		}
		err := do()
		if err == nil || w.Asker == nil || ctx.Err() != nil {
			return interrupted(ctx, err)
		}
		w.tell("\n✗ %v", err)
	}
}

func interrupted(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ask.ErrAborted
	}
	return err
}

// connectCloud is the page Connect to the cloud.
func (w *wizard) connectCloud(ctx context.Context) error {
	a := &w.Answers
	err := w.insist(ctx, func() ask.Page {
		return ask.Page{
			Title: "Connect to the cloud", Text: "Where the cloud is, and who signs in there to configure it.",
			Questions: []ask.Question{
				{Title: "Cloud", Help: "Its address, host or host:port; or a cloud file (cloud.json).", Answer: &a.Cloud, Check: expected("an address or a file")},
				{Title: "CA file", Help: "With the certificate, in PEM, that signs the cloud's.", Answer: &a.CloudCA, Check: checkFile,
					When: func() bool { return !isFile(a.Cloud) }},
				{Title: "Administrator", Help: "An administrator of the tenant, such as admin@contoso.test.", Answer: &a.Administrator, Check: checkAccount},
			},
		}
	}, func() (err error) {
		if a.Tenant == "" {
			a.Tenant = TenantOf(a.Administrator)
		}
		if w.cloud, err = cloud.Read(a.Cloud, a.CloudCA, a.Tenant, w.Timeout); err != nil {
			return err
		}
		w.cloud.Locate(ctx) // whom to believe is asked for on this page
		if err = w.cloud.Untrusted(); err != nil && w.Asker != nil {
			a.CloudCA = "" // it is the wrong one
		}
		return err
	})
	if err != nil {
		return err
	}
	if a.SignIn == "" {
		a.SignIn = DeviceCode
		if w.Open != nil {
			a.SignIn = Browser
		}
	}
	return w.insist(ctx, func() ask.Page {
		return ask.Page{
			Title: "Connect to the cloud: sign in",
			Questions: []ask.Question{
				{Title: "Tenant", Answer: &a.Tenant, Check: checkTenant},
				{Kind: ask.Choice, Title: "Sign in by", Answer: &a.SignIn, Options: []ask.Option{
					{Value: Browser, Label: "a browser on this host"},
					{Value: DeviceCode, Label: "a code, in a browser anywhere"},
					{Value: Password, Label: "the administrator's password, typed here"},
				}},
				{Kind: ask.Secret, Title: "Password of the administrator", Answer: &a.AdministratorPassword, Check: expected("a password"),
					When: func() bool { return a.SignIn == Password }},
			},
		}
	}, func() error {
		err := w.reachCloud(ctx)
		if err != nil && w.Asker != nil {
			a.AdministratorPassword = "" // it may be the wrong one
		}
		return err
	})
}

// reachCloud finds the cloud's ports, tries them, and signs in.
func (w *wizard) reachCloud(ctx context.Context) error {
	w.cloud.Tenant = w.Answers.Tenant
	w.cloud.Locate(ctx)
	if w.cloud.NoSuchTenant() {
		return fmt.Errorf("--tenant %s: the cloud has no such tenant", w.Answers.Tenant)
	}
	if w.cloud.Guessed != nil {
		w.tell("%v", w.cloud.Guess())
	}
	report := preflight.Run(ctx, preflight.Config{Endpoints: w.cloud.Endpoints, Roots: w.cloud.Roots(), Timeout: w.Timeout})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if len(report.Effects) > 0 {
		if err := report.WriteText(w.Out); err != nil {
			return err
		}
		if err := w.allTheSame(ctx, report); err != nil {
			return err
		}
	} else {
		w.say("✓ all %d ports of the cloud are reachable", len(report.Checks))
	}
	if err := w.signIn(ctx); err != nil {
		return err
	}
	before, err := w.administrator.SignInMethod(ctx)
	if err != nil {
		return err
	}
	w.before = before
	w.say("✓ signed in as %s", w.Answers.Administrator)
	return nil
}

func (w *wizard) allTheSame(ctx context.Context, report *preflight.Report) error {
	if report.OK || w.IgnorePreflight {
		return nil
	}
	if w.Asker == nil {
		return errors.New("ports that a connector needs are not to be had; --ignore-preflight goes on all the same")
	}
	anyway := ask.No
	if err := w.Asker.Ask(ctx, ask.Page{Title: "Ports", Questions: []ask.Question{
		{Kind: ask.YesNo, Title: "Go on all the same?", Answer: &anyway},
	}}); err != nil {
		return err
	}
	if anyway != ask.Yes {
		return errors.New("ports that a connector needs are not to be had")
	}
	return nil
}

// signIn signs the administrator in.
func (w *wizard) signIn(ctx context.Context) error {
	if w.administrator != nil {
		w.administrator.Close()
	}
	var err error
	w.administrator, err = SignIn(ctx, w.cloud, w.Answers, w.Out, w.Open)
	return err
}

// SignIn signs an administrator in, in the way of the answers.
func SignIn(ctx context.Context, c *cloud.Cloud, a Answers, out io.Writer, open func(context.Context, string)) (*cloud.Administrator, error) {
	switch a.SignIn {
	case Password:
		return c.SignInByPassword(ctx, a.Administrator, a.AdministratorPassword)
	case Browser:
		return c.SignInByBrowser(ctx, a.Administrator, func(address string) {
			fmt.Fprintf(out, "\nSign in as %s in your browser. If it does not open, go to\n\n  %s\n\nWaiting for the browser (Ctrl-C to give up) ...\n", a.Administrator, address)
			if open != nil {
				open(ctx, address)
			}
		})
	default:
		return c.SignInByDevice(ctx, func(address, code string, until time.Time) {
			fmt.Fprintf(out, "\nOn any device, open\n\n  %s\n\nand type the code\n\n  %s\n\nthen sign in there as %s. Waiting until %s (Ctrl-C to give up) ...\n",
				address, code, a.Administrator, until.Local().Format("15:04:05"))
		})
	}
}

// connectDirectory is the page Connect to the directory. Without somebody to
// ask it is for pass-through only, which is the only method that needs one.
func (w *wizard) connectDirectory(ctx context.Context) error {
	a := &w.Answers
	if w.stays || w.Asker == nil && a.Method != string(cloud.PassThrough) {
		return nil
	}
	var session *survey.Session
	defer func() {
		if session != nil {
			session.Close()
		}
	}()
	err := w.insist(ctx, func() ask.Page {
		return ask.Page{
			Title: "Connect to the directory", Text: "Where passwords are checked. Nothing is changed there.",
			Questions: []ask.Question{
				{Title: "Directory", Help: "ldaps://host or ldaps://host:port", Answer: &a.Directory, Check: checkDirectory},
				{Title: "CA file", Help: "With the certificate, in PEM, that signs the directory's.", Answer: &a.DirectoryCA, Check: checkFile},
			},
		}
	}, func() (err error) {
		session, err = survey.Open(ctx, survey.Config{URL: a.Directory, CAFile: a.DirectoryCA, Timeout: w.Timeout})
		return err
	})
	if err != nil {
		return err
	}
	w.about = session.About()
	product := w.about.Product
	if product == "" {
		product = "a directory that does not say what it is"
	}
	w.tell("✓ %s, domain %s", product, orNone(w.about.Domain))
	if a.BindDN == "" {
		a.BindDN = w.about.Account
	}
	if a.BaseDN == "" {
		a.BaseDN = w.about.BaseDN
	}
	return w.insist(ctx, func() ask.Page {
		return ask.Page{
			Title: "Connect to the directory: account",
			Text:  "The connector looks up with it why a sign-in was refused.",
			Questions: []ask.Question{
				{Title: "Bind account", Help: "Its distinguished name.", Answer: &a.BindDN, Check: expected("a distinguished name")},
				{Kind: ask.Secret, Title: "Its password", Answer: &a.DirectoryPassword, Check: expected("a password")},
				{Title: "Base DN", Help: "Where the users are.", Answer: &a.BaseDN, Check: expected("a distinguished name")},
				{Title: "Test user", Help: "A user whose sign-in to try, such as user@" + orNone(w.about.Domain) + "; empty for none.", Answer: &a.TestUser},
				{Kind: ask.Secret, Title: "Password of the test user", Answer: &a.TestPassword, Check: expected("a password"),
					When: func() bool { return strings.TrimSpace(a.TestUser) != "" }},
			},
		}
	}, func() error {
		err := w.tryBinds(ctx, &session)
		if err != nil && w.Asker != nil {
			a.TestPassword = "" // one may be wrong
			if !errors.Is(err, errTestUser) {
				a.DirectoryPassword = ""
			}
		}
		return err
	})
}

// errTestUser says that all but the test user's sign-in is right.
var errTestUser = errors.New("the test user")

// tryBinds binds as the account and as the test user, each on a connection of
// its own, for one that was refused may be closed.
func (w *wizard) tryBinds(ctx context.Context, session **survey.Session) (err error) {
	a := &w.Answers
	again := func() error {
		(*session).Close()
		s, err := survey.Open(ctx, survey.Config{URL: a.Directory, CAFile: a.DirectoryCA, Timeout: w.Timeout})
		if err == nil {
			*session = s
		}
		return err
	}
	if err := again(); err != nil {
		return err
	}
	if a.BindDN == "" || a.BaseDN == "" {
		return errors.New("--bind-dn, --base-dn: expected both; the directory does not say them")
	}
	s := *session
	if err := s.Bind(a.BindDN, a.DirectoryPassword); err != nil {
		return err
	}
	if err := s.HasBase(a.BaseDN); err != nil {
		return err
	}
	w.suffixes = s.Suffixes(a.BindDN)
	w.tell("✓ bound as %s", a.BindDN)
	w.tell("✓ users sign in as name@%s", orNone(strings.Join(w.suffixes, ", name@")))
	if a.TestUser == "" {
		return nil
	}
	if err := again(); err != nil {
		return err
	}
	if err := (*session).Bind(a.TestUser, a.TestPassword); err != nil {
		return fmt.Errorf("%w: %w", errTestUser, err)
	}
	w.tell("✓ bound as the test user %s", a.TestUser)
	return nil
}

// userSignIn is the page User sign-in.
func (w *wizard) userSignIn(ctx context.Context) error {
	a := &w.Answers
	if a.HashSyncBackup == "" {
		a.HashSyncBackup = ask.Yes
	}
	if w.Asker == nil {
		return nil
	}
	if a.Method == "" {
		a.Method = string(cloud.PassThrough)
	}
	return w.insist(ctx, func() ask.Page {
		return ask.Page{
			Title: "User sign-in",
			Text:  fmt.Sprintf("How the users of %s sign in. Now: %s.", a.Tenant, methodName(w.before.Method)),
			Questions: []ask.Question{
				{Kind: ask.Choice, Title: "Method", Options: methods, Answer: &a.Method},
				{Title: "Federation metadata", Help: "Its https address at the federation server.", Answer: &a.FederationMetadata, Check: checkMetadata,
					When: func() bool { return a.Method == string(cloud.Federation) }},
				{Kind: ask.YesNo, Title: "Hash synchronization as backup?", Help: "It answers when no connector can.", Answer: &a.HashSyncBackup,
					When: func() bool {
						return a.Method == string(cloud.Federation) || a.Method == string(cloud.PassThrough)
					}},
			},
		}
	}, func() error { return nil })
}

func methodName(m cloud.Method) string {
	for _, o := range methods {
		if o.Value == string(m) {
			if m == cloud.None {
				return "not configured"
			}
			return o.Label
		}
	}
	return orNone(string(m))
}

func orNone(text string) string {
	if text == "" {
		return "unknown"
	}
	return text
}

func isFile(at string) bool {
	info, err := os.Stat(strings.TrimSpace(at))
	return err == nil && info.Mode().IsRegular()
}

func checkFile(file string) error {
	if file = strings.TrimSpace(file); file == "" {
		return errors.New("expected the name of a file")
	}
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s: expected a file", file)
	case info.Size() == 0:
		return fmt.Errorf("%s: the file is empty: expected a certificate in PEM", file)
	}
	return nil
}

var tenantForm = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?$`)

func checkTenant(name string) error {
	if !tenantForm.MatchString(name) {
		return fmt.Errorf("%.80q: expected the name of a tenant, such as contoso", name)
	}
	return nil
}

func checkAccount(account string) error {
	name, domain, ok := strings.Cut(strings.TrimSpace(account), "@")
	switch {
	case strings.TrimSpace(account) == "":
		return errors.New("expected the account of an administrator, such as admin@contoso.test")
	case !ok || name == "" || domain == "":
		return fmt.Errorf("%q: expected an account such as admin@contoso.test", account)
	}
	return nil
}
