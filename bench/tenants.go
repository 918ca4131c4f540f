package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"

	"ptabench/bench/load"
	"ptabench/scenarios"
)

// loadedTenants are the tenants of a load as the generator wants them, at
// addresses that begin with base.
func loadedTenants(s *scenarios.Scenario, base string) (all []load.Tenant) {
	for _, t := range s.Loaded() {
		all = append(all, load.Tenant{Name: t.Name, URL: base + "/" + t.Name + "/oauth2/v2.0/token"})
	}
	return all
}

// tenantNames are in the order of the Tenant numbers of samples; nil of a load
// on one.
func tenantNames(s *scenarios.Scenario) (names []string) {
	loaded := s.Loaded()
	if len(loaded) == 1 {
		return nil
	}
	for _, t := range loaded {
		names = append(names, t.Name)
	}
	return names
}

// federate has the users of tenants with federation bring their passwords to
// the federation servers, as the cloud says where these are.
func (s *system) federate(cfg *load.Config) error {
	if !s.commands.scenario.Federates() {
		return nil
	}
	pem, err := os.ReadFile(s.commands.farmCA())
	if err != nil {
		return fmt.Errorf("the authority of the federation servers: %w", err)
	}
	cfg.Federation = s.federationServers()
	realms := &http.Client{Timeout: callWithin, Transport: &http.Transport{TLSClientConfig: tlsTrusting(cfg.Roots.Clone())}}
	defer realms.CloseIdleConnections()
	if !cfg.Roots.AppendCertsFromPEM(pem) {
		return errors.New("the authority of the federation servers: no certificate in it")
	}
	for i, t := range s.commands.scenario.Loaded() {
		if t.Method != scenarios.Federated {
			continue
		}
		if cfg.Tenants[i].Federation, err = s.realm(realms, t.Domains[0]); err != nil {
			return fmt.Errorf("the realm of %s: %w", t.Domains[0], err)
		}
	}
	return nil
}

// realm asks the cloud, as clients do, where the users of a domain bring their
// passwords.
func (s *system) realm(client *http.Client, domain string) (*load.Federation, error) {
	ctx, cancel := context.WithTimeout(context.Background(), callWithin)
	defer cancel()
	at := "https://" + s.cloud.Ready().Ports["443"] + "/common/UserRealm/" + url.PathEscape("somebody@"+domain) + "?api-version=1.0"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	var realm struct {
		Type     string `json:"account_type"`
		MEX      string `json:"federation_metadata_url"`
		Audience string `json:"cloud_audience_urn"`
	}
	switch err := json.NewDecoder(io.LimitReader(answer.Body, 64<<10)).Decode(&realm); {
	case answer.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the cloud answered %s", answer.Status)
	case err != nil:
		return nil, err
	case realm.Type != "Federated":
		return nil, fmt.Errorf("account_type %q: expected Federated", realm.Type)
	}
	return &load.Federation{MEX: realm.MEX, Audience: realm.Audience}, nil
}
