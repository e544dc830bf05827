package imapwire_test

import (
	"fmt"
	"strings"

	"github.com/mailwire/mailwire/imap"
	"github.com/mailwire/mailwire/imap/imapwire"
)

func ExampleSort() {
	out, err := imapwire.AppendCommand(nil, "a1", &imapwire.Sort{
		UID:      true,
		Keys:     []imap.SortKey{{Field: imap.SortDate, Reverse: true}, {Field: imap.SortSubject}},
		Return:   []imap.SearchReturn{imap.ReturnPage(imap.PartialRange{First: 1, Last: 50})},
		Criteria: imap.SearchCriteria{imap.SearchFlag{Flag: imap.FlagSeen, Unset: true}},
	})
	fmt.Println(strings.TrimSpace(string(out)), err)
	// Output:
	// a1 UID SORT RETURN (PARTIAL 1:50) (REVERSE DATE SUBJECT) UTF-8 UNSEEN <nil>
}

func ExampleNotify() {
	out, err := imapwire.AppendCommand(nil, "a1", &imapwire.Notify{Spec: &imap.NotifySpec{Groups: []imap.NotifyGroup{
		{
			Mailboxes: imap.MailboxFilter{Scope: imap.ScopeSelected},
			Events:    []imap.NotifyEvent{imap.EventMessageNew, imap.EventMessageExpunge, imap.EventFlagChange},
			Fetch:     []imap.FetchItem{imap.FetchUID, imap.FetchFlags},
		},
		{
			Mailboxes: imap.MailboxFilter{Scope: imap.ScopePersonal},
			Events:    []imap.NotifyEvent{imap.EventMailboxName},
		},
	}}})
	fmt.Println(strings.TrimSpace(string(out)), err)
	// Output:
	// a1 NOTIFY SET (SELECTED (MessageNew (UID FLAGS) MessageExpunge FlagChange)) (PERSONAL (MailboxName)) <nil>
}

func ExampleESearchData() {
	r, err := imapwire.ParseResponse([]byte(`* ESEARCH (TAG "a1") UID COUNT 17 PARTIAL (-1:-3 4,8,15)`), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	found := r.(*imapwire.ESearchData)
	fmt.Println(found.Tag, found.Count, found.Partial.Range, found.Partial.Set)
	// Output: a1 17 -1:-3 4,8,15
}

func ExampleThreadData() {
	r, err := imapwire.ParseResponse([]byte(`* THREAD (2)(3 6 (4 23)(44 7 96))`), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, t := range r.(*imapwire.ThreadData).Threads {
		for depth, m := range t.All() {
			fmt.Println(strings.Repeat("  ", depth), m.Num)
		}
	}
	// Output:
	//  2
	//  3
	//    6
	//      4
	//        23
	//      44
	//        7
	//          96
}
