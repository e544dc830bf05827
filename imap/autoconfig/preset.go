// The large providers.

package autoconfig

import "strings"

// provider is a row of the table. Its servers' User is a template: "%EMAILADDRESS%" or
// "%EMAILLOCALPART%".
type provider struct {
	settings Settings
	domains  []string
	mx       []string // domains that its mail exchangers are within
}

const (
	userAddress = "%EMAILADDRESS%"
	userLocal   = "%EMAILLOCALPART%"
)

func server(p Protocol, host string, port uint16, s Security, user string, auth ...Auth) Server {
	return Server{Protocol: p, Host: host, Port: port, Security: s, User: user, Auth: auth}
}

const appPassword = "The provider wants a password made for this program in the account's settings, not the one of its web pages"

var microsoftOAuth2 = &OAuth2{
	Issuer: "login.microsoftonline.com",
	Scopes: []string{
		"https://outlook.office.com/IMAP.AccessAsUser.All", "https://outlook.office.com/POP.AccessAsUser.All",
		"https://outlook.office.com/SMTP.Send", "offline_access",
	},
	AuthURL:  "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
	TokenURL: "https://login.microsoftonline.com/common/oauth2/v2.0/token",
}

var providers = []provider{
	{
		settings: Settings{
			Name: "Gmail",
			Incoming: []Server{
				server(IMAP, "imap.gmail.com", 993, ImplicitTLS, userAddress, AuthOAuth2, AuthPassword),
				server(POP3, "pop.gmail.com", 995, ImplicitTLS, userAddress, AuthOAuth2, AuthPassword),
			},
			Outgoing: []Server{
				server(Submission, "smtp.gmail.com", 465, ImplicitTLS, userAddress, AuthOAuth2, AuthPassword),
				server(Submission, "smtp.gmail.com", 587, StartTLS, userAddress, AuthOAuth2, AuthPassword),
			},
			OAuth2: &OAuth2{
				Issuer: "accounts.google.com", Scopes: []string{"https://mail.google.com/"},
				AuthURL:  "https://accounts.google.com/o/oauth2/v2/auth",
				TokenURL: "https://oauth2.googleapis.com/token",
			},
			Note: appPassword,
		},
		domains: []string{"gmail.com", "googlemail.com"},
		mx:      []string{"google.com", "googlemail.com"},
	},
	{
		settings: Settings{
			Name: "Yandex",
			Incoming: []Server{
				server(IMAP, "imap.yandex.ru", 993, ImplicitTLS, userAddress, AuthOAuth2, AuthPassword),
				server(POP3, "pop.yandex.ru", 995, ImplicitTLS, userAddress, AuthOAuth2, AuthPassword),
			},
			Outgoing: []Server{
				server(Submission, "smtp.yandex.ru", 465, ImplicitTLS, userAddress, AuthOAuth2, AuthPassword),
				server(Submission, "smtp.yandex.ru", 587, StartTLS, userAddress, AuthOAuth2, AuthPassword),
			},
			OAuth2: &OAuth2{
				Issuer: "oauth.yandex.com", Scopes: []string{"mail:imap_full", "mail:smtp"},
				AuthURL: "https://oauth.yandex.ru/authorize", TokenURL: "https://oauth.yandex.ru/token",
			},
			Note: "IMAP and POP3 have to be allowed in the account's settings. " + appPassword,
		},
		domains: []string{"yandex.ru", "yandex.com", "yandex.by", "yandex.kz", "yandex.uz", "yandex.com.tr", "ya.ru", "narod.ru"},
		mx:      []string{"yandex.ru", "yandex.net"},
	},
	{
		settings: Settings{
			Name: "Mail.ru",
			Incoming: []Server{
				server(IMAP, "imap.mail.ru", 993, ImplicitTLS, userAddress, AuthOAuth2, AuthPassword),
				server(POP3, "pop.mail.ru", 995, ImplicitTLS, userAddress, AuthPassword),
			},
			Outgoing: []Server{server(Submission, "smtp.mail.ru", 465, ImplicitTLS, userAddress, AuthOAuth2, AuthPassword)},
			OAuth2: &OAuth2{
				Issuer: "o2.mail.ru", Scopes: []string{"mail.imap"},
				AuthURL: "https://o2.mail.ru/login", TokenURL: "https://o2.mail.ru/token",
			},
			Note: appPassword,
		},
		domains: []string{"mail.ru", "inbox.ru", "list.ru", "bk.ru", "internet.ru"},
		mx:      []string{"mail.ru"},
	},
	{
		settings: Settings{
			Name: "Rambler",
			Incoming: []Server{
				server(IMAP, "imap.rambler.ru", 993, ImplicitTLS, userAddress, AuthPassword),
				server(POP3, "pop.rambler.ru", 995, ImplicitTLS, userAddress, AuthPassword),
			},
			Outgoing: []Server{server(Submission, "smtp.rambler.ru", 465, ImplicitTLS, userAddress, AuthPassword)},
			Note:     "Mail programs have to be allowed in the account's settings",
		},
		domains: []string{"rambler.ru", "lenta.ru", "autorambler.ru", "myrambler.ru", "ro.ru", "rambler.ua"},
		mx:      []string{"rambler.ru"},
	},
	{
		settings: Settings{
			Name: "Outlook.com",
			Incoming: []Server{
				server(IMAP, "outlook.office365.com", 993, ImplicitTLS, userAddress, AuthOAuth2),
				server(POP3, "outlook.office365.com", 995, ImplicitTLS, userAddress, AuthOAuth2),
			},
			Outgoing: []Server{server(Submission, "smtp-mail.outlook.com", 587, StartTLS, userAddress, AuthOAuth2)},
			OAuth2:   microsoftOAuth2,
			Note:     "IMAP and POP3 have to be allowed in the account's settings",
		},
		domains: []string{
			"outlook.com", "outlook.de", "outlook.fr", "outlook.es", "outlook.it", "outlook.jp", "outlook.com.br",
			"hotmail.com", "hotmail.co.uk", "hotmail.de", "hotmail.fr", "hotmail.es", "hotmail.it",
			"live.com", "live.co.uk", "live.de", "live.fr", "live.nl", "msn.com", "passport.com",
		},
	},
	{
		settings: Settings{
			Name: "Microsoft 365",
			Incoming: []Server{
				server(IMAP, "outlook.office365.com", 993, ImplicitTLS, userAddress, AuthOAuth2),
				server(POP3, "outlook.office365.com", 995, ImplicitTLS, userAddress, AuthOAuth2),
			},
			Outgoing: []Server{server(Submission, "smtp.office365.com", 587, StartTLS, userAddress, AuthOAuth2)},
			OAuth2:   microsoftOAuth2,
			Note:     "The organisation's administrator may have to allow IMAP, POP3 and SMTP for the account",
		},
		domains: []string{"onmicrosoft.com"}, // and below it
		mx:      []string{"mail.protection.outlook.com", "mx.microsoft"},
	},
	{
		settings: Settings{
			Name: "Yahoo",
			Incoming: []Server{
				server(IMAP, "imap.mail.yahoo.com", 993, ImplicitTLS, userAddress, AuthOAuth2, AuthPassword),
				server(POP3, "pop.mail.yahoo.com", 995, ImplicitTLS, userAddress, AuthOAuth2, AuthPassword),
			},
			Outgoing: []Server{
				server(Submission, "smtp.mail.yahoo.com", 465, ImplicitTLS, userAddress, AuthOAuth2, AuthPassword),
				server(Submission, "smtp.mail.yahoo.com", 587, StartTLS, userAddress, AuthOAuth2, AuthPassword),
			},
			OAuth2: &OAuth2{
				Issuer: "login.yahoo.com", Scopes: []string{"mail-w"},
				AuthURL:  "https://api.login.yahoo.com/oauth2/request_auth",
				TokenURL: "https://api.login.yahoo.com/oauth2/get_token",
			},
			Note: appPassword,
		},
		domains: []string{
			"yahoo.com", "yahoo.co.uk", "yahoo.de", "yahoo.fr", "yahoo.it", "yahoo.es", "yahoo.ca", "yahoo.in",
			"yahoo.co.in", "yahoo.com.br", "yahoo.com.au", "ymail.com", "rocketmail.com", "myyahoo.com",
		},
		mx: []string{"yahoodns.net"},
	},
	{
		settings: Settings{
			Name:     "iCloud",
			Incoming: []Server{server(IMAP, "imap.mail.me.com", 993, ImplicitTLS, userLocal, AuthPassword)},
			Outgoing: []Server{server(Submission, "smtp.mail.me.com", 587, StartTLS, userAddress, AuthPassword)},
			Note:     appPassword,
		},
		domains: []string{"icloud.com", "me.com", "mac.com"},
		mx:      []string{"mail.icloud.com"},
	},
}

// Preset is the settings of an address at one of the large providers, by its
// domain: Gmail, Yandex, Mail.ru, Rambler, Outlook.com and Microsoft 365, Yahoo,
// iCloud. The second result is false where the domain is not in the table.
func Preset(addr string) (*Settings, bool) {
	a, err := parseAddress(addr)
	if err != nil {
		return nil, false
	}
	return preset(a)
}

func preset(a address) (*Settings, bool) {
	for i := range providers {
		for _, d := range providers[i].domains {
			if a.domain == d || d == "onmicrosoft.com" && within(a.domain, d) {
				return providers[i].fill(a, FromPreset), true
			}
		}
	}
	return nil, false
}

// presetMX is the settings of the provider that the mail exchanger belongs to.
func presetMX(a address, mx string) (*Settings, bool) {
	for i := range providers {
		for _, d := range providers[i].mx {
			if within(mx, d) {
				s := providers[i].fill(a, FromMX)
				// Addresses of an own domain are no local parts of iCloud's.
				for j := range s.Incoming {
					s.Incoming[j].User = a.full
				}
				return s, true
			}
		}
	}
	return nil, false
}

// fill is the row's settings for a, a copy that is the caller's.
func (p *provider) fill(a address, from Source) *Settings {
	s := p.settings
	s.Source = from
	s.Incoming, s.Outgoing = fillServers(s.Incoming, a), fillServers(s.Outgoing, a)
	if s.OAuth2 != nil {
		o := *s.OAuth2
		o.Scopes = append([]string(nil), o.Scopes...)
		s.OAuth2 = &o
	}
	return &s
}

func fillServers(servers []Server, a address) []Server {
	out := make([]Server, len(servers))
	for i, v := range servers {
		v.User = a.expand(v.User)
		v.Auth = append([]Auth(nil), v.Auth...)
		out[i] = v
	}
	return out
}

// expand puts the address into a template of Thunderbird's documents.
func (a address) expand(template string) string {
	return strings.NewReplacer(userAddress, a.full, userLocal, a.local, "%EMAILDOMAIN%", a.domain).Replace(template)
}
