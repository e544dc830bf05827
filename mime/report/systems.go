package report

// The layouts of bounces, one of each system: how it is told, where its recipients stand, and what has become of the message.

// A system is the layout of one mail system's bounces. All phrases are in lower case, blanks made one; line breaks do not count.
type system struct {
	name string
	// any is phrases one of which is in the text of each of its bounces; from and subject are further signs that must be there if set.
	any     []string
	from    []string // the sender contains one
	subject []string // the subject begins with one
	// sections is phrases behind which recipients stand.
	sections []section
	// inline is phrases that a recipient follows at once.
	inline []section
}

type section struct {
	phrase string
	action Action
}

// warnings is phrases that make a bounce a delay, whatever else it says.
var warnings = []string{
	"warning message only", "this is a warning only", "** this is a warning message", "you do not need to resend",
	"has not yet been delivered", "have not yet been delivered", "will be retried",
	"still being retried", "delivery attempts will continue", "will continue to be attempted", "will retry for",
	"has been delayed", "will keep trying", "no action is required on your part",
	"delivery to these recipients or distribution lists has been delayed", "this message hasn't been delivered yet",
	"hasn't been delivered yet",
	"could not be delivered yet", "has not been delivered yet", "have not been delivered yet", "could not yet be delivered",
	"will keep on trying", "still trying to deliver", "is still trying", "is still queued", "message still queued",
	"still in the queue", "still in queue", "remains in the queue", "will try again for", "will continue to try",
	"will continue trying", "will continue to retry", "delivery will be attempted for", "will try to deliver it for",
	"no need to resend", "do not have to resend", "do not resend", "delivery is pending", "delivery is deferred",
	"has been deferred", "delivery is delayed", "message is delayed", "message delayed", "delivery delayed",
	"temporary delay", "delay notice", "delay notification",
	"verzögert sich", "verzoegert sich", "wurde verzögert", "noch nicht zugestellt", "wird weiterhin versucht",
	"n'a pas encore été", "a été retardé", "aún no se ha", "se ha retrasado", "non è stato ancora", "è in ritardo",
	"ainda não foi", "nog niet afgeleverd", "is vertraagd", "ещё не доставлено", "еще не доставлено", "доставка задерживается",
}

// delaySubjects is beginnings of subjects, in lower case, that make a bounce a delay.
var delaySubjects = []string{
	"warning: could not send message", "warning: message still undelivered", "delayed mail", "delayed delivery",
	"delivery delay", "delivery is delayed", "delivery of your message is delayed", "message delayed", "mail delayed",
	"delivery status notification (delay", "mail delivery delayed", "mail delivery delay",
}

// delay tells whether a bounce says that more is tried.
func delay(n *notice, s sender) bool {
	return containsAny(n.flat, warnings) || prefixAny(s.subject, delaySubjects)
}

// systems is tried in order: a more special one stands before the one whose software it runs.
var systems = []system{
	{
		name: "mail.ru",
		any: []string{"письмо создано автоматически сервером mail.ru", "created automatically by mail.ru",
			"this message was created automatically by mail delivery software"},
		from: []string{"mail.ru"},
		sections: []section{
			{"following address(es) failed:", Failed}, {"доставлено одному или нескольким получателям:", Failed},
			{"has not yet been delivered is:", Delayed}, {"have not yet been delivered are:", Delayed},
		},
	},
	{
		name: "yandex",
		any:  []string{"почтовым сервером яндекса", "mail.yandex.net", "yandex.ru", "yandex.net", "mail system at host"},
		from: []string{"yandex.", "ya.ru"},
		sections: []section{
			{"be delivered to one or more recipients", Failed}, {"не может быть отправлено одному или нескольким адресатам", Failed}, {"не может быть доставлено", Failed}, {"could not be delivered for", Delayed}, {"не было доставлено", Delayed},
		},
	},
	{
		name: "exim",
		any: []string{"this message was created automatically by mail delivery software",
			"a message that you sent could not be delivered to one or more of its recipients",
			"a message that you sent has not yet been delivered", "a message that you sent contained no recipient addresses"},
		sections: []section{
			{"following address(es) failed:", Failed}, {"following addresses failed:", Failed},
			{"permanent error. the following address(es) failed", Failed}, {"following addresses had errors", Failed},
			{"to one or more of its recipients. this is a permanent error.", Failed},
			{"has not yet been delivered is:", Delayed}, {"has not yet been delivered are:", Delayed},
			{"have not yet been delivered are:", Delayed}, {"following address(es) have not yet been delivered:", Delayed},
			{"following address(es) deferred:", Delayed}, {"delivered to the following address", Delivered},
		},
	},
	{
		name: "yahoo",
		any: []string{"sorry, we were unable to deliver your message to the following address", "message from yahoo",
			"unable to deliver message to the following address(es)"},
		from: []string{"yahoo", "ymail", "rocketmail", "aol.", "yahoodns"},
		sections: []section{
			{"unable to deliver your message to the following address", Failed},
			{"unable to deliver message to the following address(es)", Failed},
		},
	},
	{
		name: "qmail",
		any: []string{"this is the qmail-send program", "this is the mail delivery agent at",
			"i wasn't able to deliver your message to the following addresses",
			"i tried to deliver a bounce message to this address"},
		sections: []section{
			{"i've given up. sorry it didn't work out.", Failed}, {"to the following addresses.", Failed},
			{"but the bounce bounced!", Failed}, {"delivery attempts will continue", Delayed}, {"i will keep trying", Delayed},
			{"message has been delayed", Delayed}, {"this is the qmail-send program", Failed},
		},
	},
	{
		name: "gmail",
		any: []string{"google tried to deliver your message", "** address not found **", "** message not delivered **",
			"** delivery incomplete **", "** message blocked **", "** message rejected **", "** mailbox full **",
			"** message too large **", "address not found", "the response from the remote server was:",
			"technical details of permanent failure", "technical details of temporary failure",
			"technical details of temporary delivery", "delivery to the following recipient failed permanently",
			"delivery to the following recipients failed permanently", "gmail will retry"},
		from: []string{"google", "gmail"},
		sections: []section{
			{"delivery to the following recipient failed permanently:", Failed},
			{"delivery to the following recipients failed permanently:", Failed},
			{"delivery to the following recipient has been delayed:", Delayed},
			{"delivery to the following recipients has been delayed:", Delayed},
		},
		inline: []section{
			{"your message wasn't delivered to ", Failed}, {"there was a problem delivering your message to ", Failed},
			{"there was a temporary problem delivering your message to ", Delayed},
			{"a temporary problem while delivering your message to ", Delayed}, {"your message to ", Failed},
		},
	},
	{
		name: "ses",
		any: []string{"an error occurred while trying to deliver the mail to the following recipients",
			"the following message to <", "delivery of your message has been delayed", "amazonses", "amazon ses"},
		from: []string{"amazonses", "amazon"},
		sections: []section{
			{"trying to deliver the mail to the following recipients:", Failed},
			{"has been delayed to the following recipients:", Delayed}, {"not been delivered to the following recipients:", Delayed},
		},
		inline: []section{{"the following message to ", Failed}},
	},
	{
		name: "ironport",
		any:  []string{"> was undeliverable. the reason for the problem:", "was undeliverable. the reason for the problem"},
		inline: []section{
			{"the following message to ", Failed}, {"your message to ", Failed},
		},
	},
	{
		name:   "dma",
		any:    []string{"this is the dragonfly mail agent"},
		inline: []section{{"there was an error delivering your mail to ", Failed}, {"delivering your mail to ", Failed}},
	},
	{
		name: "domino",
		any:  []string{"was not delivered to:", "could not be delivered to:", "has not been delivered to:"},
		subject: []string{
			"delivery failure", "delivery delay", "delayed", "nondelivery", "zustellungsfehler", "échec de la", "undeliverable",
		},
		sections: []section{
			{"was not delivered to:", Failed}, {"could not be delivered to:", Failed}, {"has not been delivered to:", Delayed},
		},
	},
	{
		name: "microsoft365",
		any: []string{"couldn't be delivered. ", "office 365", "outlook.com", "prod.outlook", "microsoft 365",
			"remote server returned '", "your message to "},
		from: []string{"microsoftexchange329e71ec88ae4615bbc36ab6ce41109e", "postmaster@outlook", "postmaster@hotmail",
			".onmicrosoft.com", "protection.outlook", "postmaster@live"},
		sections: []section{
			{"delivery has failed to these recipients or groups:", Failed},
			{"delivery has failed to these recipients or distribution lists:", Failed},
			{"delivery to these recipients or groups is delayed:", Delayed},
			{"delivery to these recipients or groups has been delayed:", Delayed},
			{"delivery to the following recipients failed.", Failed}, {"couldn't be delivered to these recipients:", Failed},
			{"couldn't deliver this message to these recipients", Failed}, {"diagnostic information for administrators:", ""},
		},
		inline: []section{{"your message to ", Failed}},
	},
	{
		name: "iis",
		any:  []string{"this is an automatically generated delivery status notification"},
		sections: []section{
			{"delivery to the following recipients failed.", Failed}, {"delivery to the following recipients failed:", Failed},
			{"unable to deliver message to the following recipients, due to being unable to connect successfully to the destination mail server.", Failed},
			{"unable to deliver message to the following recipients, because the message was forwarded more than the maximum allowed times.", Failed},
			{"delivery to the following recipients has been delayed.", Delayed},
			{"delivery to the following recipients has been delayed:", Delayed},
			{"your message has been successfully relayed to the following recipients, but the requested delivery status notifications may not be generated by the destination.", Relayed},
			{"your message has been successfully delivered to the following recipients", Delivered},
		},
	},
	{
		name: "exchange",
		any: []string{
			"your message did not reach some or all of the intended recipients", "did not reach the following recipient(s):",
			"delivery is delayed to these recipients", "delivery has failed to these recipients",
			"delivery to these recipients or", "has been delayed in delivery", "could not be reached: ",
			"diagnostic information for administrators:", "generating server:",
			"ihre nachricht hat einige oder alle empfänger nicht erreicht",
			"votre message n'a pas été remis à certains ou à tous les destinataires",
		},
		sections: []section{
			{"following recipient(s) could not be reached:", Failed}, {"did not reach the following recipient(s):", Failed},
			{"following recipient(s) cannot be reached:", Failed}, {"folgende(r) empfänger konnte(n) nicht erreicht werden:", Failed}, {"impossible de joindre le(s) destinataire(s) suivant(s) :", Failed},
			{"following recipients could not be reached:", Failed},
			{"delivery has failed to these recipients or distribution lists:", Failed},
			{"delivery has failed to these recipients or groups:", Failed},
			{"delivery to these recipients or distribution lists has been delayed:", Delayed},
			{"delivery to these recipients or groups is delayed:", Delayed},
			{"delivery is delayed to these recipients or groups:", Delayed},
			{"delivery is delayed to these recipients or distribution lists:", Delayed},
			{"has not yet been delivered to the following recipient(s):", Delayed},
			{"your message was delivered to the following recipients:", Delivered}, {"diagnostic information for administrators:", ""},
		},
	},
	{
		name: "sendmail",
		any: []string{"----- the following addresses had", "----- the following addresses have",
			"----- transcript of session follows -----", "----- transcript follows -----", "----- the following address"},
		sections: []section{
			{"----- the following addresses had permanent fatal errors -----", Failed},
			{"----- the following addresses have delivery notifications -----", Failed},
			{"----- the following addresses had delivery problems -----", Failed},
			{"----- the following addresses had transient non-fatal errors -----", Delayed},
			{"----- the following addresses had successful delivery notifications -----", Delivered},
			{"----- the following addresses had delivery errors -----", Failed},
			{"----- transcript of session follows -----", ""}, {"----- transcript follows -----", ""},
		},
	},
	{
		name: "postfix",
		any: []string{"this is the postfix program at host", "this is the mail system at host",
			"this is the postfix mail system", "i'm sorry to have to inform you that your message could not be",
			"i'm sorry to have to inform you that the message"},
		sections: []section{
			{"this is the postfix program at host", Failed}, {"this is the mail system at host", Failed},
			{"this is the postfix mail system", Failed}, {"could not be delivered to one or more recipients", Failed},
			{"it will be retried until it is", Delayed},
			{"was successfully delivered to the destination(s) listed below", Delivered}, {"mailbox(es) listed below", Delivered}, {"this is a warning only", Delayed},
		},
	},
}

// matches tells whether the notice has the system's layout.
func (s *system) matches(n *notice, from sender) bool {
	return containsAny(n.flat, s.any) && (s.from == nil || containsAny(from.addr,
		s.from)) && (s.subject == nil || prefixAny(from.subject, s.subject))
}

func prefixAny(s string, l []string) bool {
	for _, p := range l {
		if len(s) >= len(p) && s[:len(p)] == p {
			return true
		}
	}
	return false
}
