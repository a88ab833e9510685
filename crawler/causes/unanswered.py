"""No answer came: names, connections, time, and answers that broke off."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from crawler.engine.errors import Reason

from .cause import Severity, cause

UNANSWERED = (
    cause(
        "dns",
        Severity.TROUBLE,
        _("Host name not found"),
        _("The name of the host could not be turned into an address."),
        _("Check the spelling of the host, and whether this machine can resolve names."),
        Reason.DNS_ERROR,
    ),
    cause(
        "tls",
        Severity.TROUBLE,
        _("No secure connection"),
        _("The host's certificate or its TLS is not valid, so nothing was sent to it."),
        _("See in a browser what is wrong with the certificate; session.verify_tls: false takes it, whoever answers."),
        Reason.TLS_ERROR,
    ),
    cause(
        "proxy",
        Severity.TROUBLE,
        _("The proxy refused or is away"),
        _("The spider's proxy could not be reached, wanted other credentials, or made no connection to the host."),
        _("Check that the proxy is up and lets this host through, and the user name and password in session.proxy."),
        Reason.PROXY_ERROR,
    ),
    cause(
        "connection",
        Severity.TROUBLE,
        _("No connection"),
        _("The host refused the connection, or broke it off in mid-answer."),
        _("Check that the site is up and reachable from this machine; crawl again later, with fewer requests at once."),
        Reason.CONNECT_ERROR,
        Reason.CONNECTION_LOST,
    ),
    cause(
        "timeout",
        Severity.TROUBLE,
        _("The host was too slow"),
        _("The host did not answer, or did not finish its answer, in the time allowed."),
        _("See whether an example is slow in a browser, too: then wait; else crawl more gently: set manners.delay."),
        Reason.CONNECT_TIMEOUT,
        Reason.READ_TIMEOUT,
        Reason.TOTAL_TIMEOUT,
    ),
    cause(
        "broken_answer",
        Severity.TROUBLE,
        _("Broken answers"),
        _("What the host sent is no whole HTTP answer: cut short, wrongly compressed, or not HTTP at all."),
        _("Crawl again; if it stays so, the fault is the server's or that of a proxy on the way to it."),
        Reason.PROTOCOL_ERROR,
        Reason.BODY_TRUNCATED,
        Reason.BODY_UNDECODABLE,
    ),
    cause(
        "address_refused",
        Severity.TROUBLE,
        _("Address not allowed"),
        _("The host, or the spider's proxy, lies in a private network, where this installation does not connect."),
        _("If it may be used, put its network into CRAWLER_ALLOWED_NETWORKS; else deny such links, or mend the proxy."),
        Reason.ADDRESS_REFUSED,
        at_start=_(
            "If it may be used, put its network into CRAWLER_ALLOWED_NETWORKS; "
            "else correct the start page, or mend the proxy."
        ),
    ),
)
