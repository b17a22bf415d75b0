using System.Globalization;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;

namespace Sockwatch.Exporters.Page;

/// <summary>
/// The page for people who open the listener in a browser, as it first comes: whole and readable without a script. The script
/// keeps it up to date in place, by the templates that are written here beside the rows, so that markup has one home.
/// </summary>
internal static class HomePage
{
    /// <param name="edge">The edge to show in full; null none.</param>
    public static string Render(TrafficView view, EdgeQuery query, EdgeRow? edge, PageNode node)
    {
        var html = new Html();
        var missing = node.Missing;
        html.Add($"""
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <title>{node.Name} · Sockwatch</title>
            <link rel="icon" href="assets/icon.svg" type="image/svg+xml">
            <link rel="stylesheet" href="assets/page.css">
            <script type="module" src="assets/page.js"></script>
            </head>
            <body>
            <a class="skip" href="#flows">Skip to the flows</a>
            <header class="bar">
            <h1><img src="assets/icon.svg" alt="" width="20" height="20"> <span class="product">Sockwatch</span> <span class="node" data-f="node">{node.Name}</span></h1>
            <p class="state {(missing.Count == 0 ? "ok" : "bad")}" id="state">{(missing.Count == 0 ? "Ready" : "Not ready")}</p>
            <p class="build">{node.Build.Version} on Linux {node.Build.Kernel}</p>
            <p class="live"><span id="age">As of {Time(view.Report.Time)}</span> <button type="button" id="pause" aria-pressed="false" hidden>Pause</button></p>
            </header>
            <main>
            <div id="notice" role="status"></div>

            """);
        AddMissing(html, missing);
        AddSummary(html, view);
        html.Add($"""
            <div class="panes">
            <div class="pane wide">
            <section id="map" class="card" aria-labelledby="map-title">
            <div class="head"><h2 id="map-title">Service map</h2><p class="note" id="map-note"></p></div>
            <div id="graph" class="graph"><p class="empty">The map is drawn by the page's script. The same connections are in the table of flows.</p></div>
            </section>

            """);
        AddFlows(html, view, query);
        html.Add($"""
            </div>
            <div class="pane">

            """);
        AddEvents(html, node);
        AddAgent(html, view, node);
        html.Add($"""
            </div>
            </div>
            </main>
            <footer><p>Also here: <a href="metrics">/metrics</a> for Prometheus, <a href="livez">/livez</a>, <a href="readyz">/readyz</a>, and this page as JSON: <a href="api/v1/node">node</a>, <a href="api/v1/edges">edges</a>, <a href="api/v1/map">map</a>, <a href="api/v1/events">events</a>.</p></footer>

            """);
        AddDetail(html, edge);
        html.Add($"""
            </body>
            </html>

            """);
        return html.ToString();
    }

    private static void AddMissing(Html html, IReadOnlyList<string> missing)
    {
        html.Add($"<ul id=\"missing\" class=\"missing\"");
        html.Add($"{(missing.Count == 0 ? " hidden" : "")}>");
        foreach (var condition in missing)
        {
            html.Add($"<li>{condition}</li>");
        }

        html.Add($"</ul>\n");
    }

    private static void AddSummary(Html html, TrafficView view)
    {
        html.Add($"<section id=\"summary\" aria-label=\"Now\"><dl class=\"figures\">\n");
        Figure("Sent", "sent", Rate(view.SentRate));
        Figure("Received", "received", Rate(view.ReceivedRate));
        Figure("Open connections", "open", Count(view.Open));
        Figure("New connections", "connections", PerSecond(view.ConnectionRate));
        Figure("Failures", "failures", PerSecond(view.FailureRate));
        Figure("Lost records", "lost", Count(view.Report.Losses.Sum(loss => loss.Count)));
        html.Add($"</dl></section>\n");

        void Figure(string title, string name, string value) =>
            html.Add($"<div><dt>{title}</dt><dd data-f=\"{name}\">{value}</dd></div>\n");
    }

    private static void AddFlows(Html html, TrafficView view, EdgeQuery query)
    {
        var (rows, matched) = query.Apply(view);
        html.Add($"""
            <section id="flows" class="card" aria-labelledby="flows-title" tabindex="-1">
            <div class="head"><h2 id="flows-title">Flows</h2><p class="note" id="matched" role="status">{Matched(matched, view.Rows.Length)}</p></div>
            <form class="tools" id="filter" method="get" role="search">
            <label class="grow"><span class="hidden">Filter flows</span><input type="search" name="q" id="q" value="{query.Text}" maxlength="{EdgeFilter.MaxLength}" placeholder="Filter: a name, port:443, role:server, is:failing" autocomplete="off" spellcheck="false" aria-keyshortcuts="/"></label>
            <label><span class="hidden">Sort by</span><select name="sort" id="sort">
            """);
        foreach (var column in EdgeQuery.Columns)
        {
            html.Add($"<option value=\"{column}\"");
            html.Add($"{(column == query.Sort ? " selected" : "")}>{ColumnTitle(column)}</option>");
        }

        html.Add($"""
            </select></label>
            <button type="submit" id="apply">Apply</button>
            </form>
            <div class="scroll" tabindex="0" role="region" aria-label="Table of flows">
            <table class="flows">
            <thead><tr>
            """);
        foreach (var (column, title, style) in TableColumns)
        {
            var isSorted = column == query.Sort;
            var next = isSorted && query.IsDescending == EdgeQuery.IsDescendingByDefault(column) ? !query.IsDescending : EdgeQuery.IsDescendingByDefault(column);
            html.Add($"<th scope=\"col\" class=\"{style}\" data-column=\"{column}\"");
            if (isSorted)
            {
                html.Add($" aria-sort=\"{(query.IsDescending ? "descending" : "ascending")}\"");
            }

            html.Add($"><a href=\"{Address(query, column, next, 0)}\">{title}</a></th>");
        }

        html.Add($"</tr></thead>\n<tbody id=\"edges\">\n");
        foreach (var row in rows)
        {
            AddRow(html, row);
        }

        html.Add($"</tbody></table>\n");
        html.Add($"<template id=\"edge-row\">");
        AddRow(html, null);
        html.Add($"</template>\n");
        html.Add($"<p class=\"empty\" id=\"no-edges\"");
        html.Add($"{(rows.Count > 0 ? " hidden" : "")}>{(view.Rows.Length == 0 ? "No traffic has been seen yet." : "No flow matches the filter.")}</p></div>\n");
        AddPager(html, query, rows.Count, matched);
        html.Add($"</section>\n");
    }

    // Role and protocol stand beside the port; what people sort by stands in a column.
    private static readonly (string Column, string Title, string Style)[] TableColumns =
    [
        ("workload", "Workload", "who"), ("peer", "Peer", "whom"), ("port", "Port", "port"),
        ("rate", "Rate", "num both"), ("out", "Out", "num out"), ("in", "In", "num in"),
        ("sent", "Sent", "num sent"), ("received", "Received", "num received"),
        ("open", "Open", "num opened"), ("connections", "Connections", "num connections"), ("failures", "Failures", "num failures"),
    ];

    private static void AddRow(Html html, EdgeRow? given)
    {
        var id = given?.Series.Id ?? 0;
        var edge = given?.Edge ?? EdgeAttributes.Overflow;
        var totals = given?.Series.Totals ?? default;
        var isServer = edge.NetworkRole == "server";
        html.Add($"""
            <tr data-id="{id}" class="{(given is not { } row || row.Rate + row.FailureRate <= 0 ? "idle" : row.FailureRate > 0 ? "failing" : "")}">
            <th scope="row" class="who"><a href="?edge={id}" data-f="workload">{EdgeText.Workload(edge)}</a><span class="sub" data-f="owner">{Owner(edge)}</span></th>
            <td class="whom"><span class="name"><span class="arrow" data-f="arrow">{(isServer ? "←" : "→")}</span><span data-f="peer">{EdgeText.Peer(edge)}</span></span><span class="sub" data-f="peerKind">{PeerSub(edge)}</span></td>
            <td class="port"><span data-f="port">{edge.ServerPort}</span><span class="sub" data-f="how">{How(edge)}</span></td>
            <td class="num both" data-f="rate">{Rate(given?.Rate ?? 0)}</td>
            <td class="num out" data-f="out">{Rate(given?.SentRate ?? 0)}</td>
            <td class="num in" data-f="in">{Rate(given?.ReceivedRate ?? 0)}</td>
            <td class="num sent" data-f="sent">{ReadableText.Bytes(totals.BytesSent)}</td>
            <td class="num received" data-f="received">{ReadableText.Bytes(totals.BytesReceived)}</td>
            <td class="num opened" data-f="open">{Count(given?.Series.Open ?? 0)}</td>
            <td class="num connections" data-f="connections">{Count((long)(given?.Connections ?? 0))}</td>
            <td class="num failures" data-f="failures">{Count((long)(given?.Failures ?? 0))}</td>
            </tr>

            """);
    }

    private static void AddPager(Html html, EdgeQuery query, int shown, int matched)
    {
        html.Add($"<nav class=\"pager\" aria-label=\"Pages of flows\">");
        html.Add($"<a id=\"previous\" rel=\"prev\" href=\"{Address(query, query.Sort, query.IsDescending, Math.Max(0, query.Offset - query.Limit))}\"");
        html.Add($"{(query.Offset == 0 ? " hidden" : "")}>Previous</a>");
        html.Add($"<span id=\"range\">{Range(query.Offset, shown, matched)}</span>");
        html.Add($"<a id=\"next\" rel=\"next\" href=\"{Address(query, query.Sort, query.IsDescending, query.Offset + query.Limit)}\"");
        html.Add($"{(query.Offset + shown >= matched ? " hidden" : "")}>Next</a></nav>\n");
    }

    private static void AddEvents(Html html, PageNode node)
    {
        var events = node.Events(FirstEvents);
        html.Add($"""
            <section id="events" class="card" aria-labelledby="events-title">
            <div class="head"><h2 id="events-title">Failures and detections</h2><p class="note" id="events-note">{EventsNote(node)}</p></div>
            <ol class="events" id="event-list" tabindex="0" aria-labelledby="events-title">

            """);
        foreach (var one in events)
        {
            var record = one.Record;
            AddEvent(
                html, record.Kind == Kernel.RecordKind.FlowFailed, Time(node.TimeOf(record)), EdgeText.Workload(one.Edge), PeerOf(one),
                one.Detection?.Name ?? Kernel.ErrorType.Name(record.Error).Replace('_', ' '), record.Pid);
        }

        html.Add($"</ol><template id=\"event-row\">");
        AddEvent(html, true, "", "", "", "", 0);
        html.Add($"</template>\n<p class=\"empty\" id=\"no-events\"");
        html.Add($"{(events.Count > 0 ? " hidden" : "")}>{(node.HasEvents ? "None so far." : RecordsOff)}</p></section>\n");
    }

    /// <summary>How many failures the page shows before its script asks for more.</summary>
    private const int FirstEvents = 20;

    private const string RecordsOff = "This agent makes no flow records (http.recentRecords), so single failures are not kept. The column Failures counts them.";

    private static void AddEvent(Html html, bool isFailure, string time, string who, string whom, string what, uint pid) => html.Add($"""
        <li class="{(isFailure ? "failed" : "detected")}"><time data-f="time">{time}</time> <span class="what" data-f="what">{what}</span>
        <span class="ends"><span data-f="who">{who}</span><span class="sub" data-f="pid">{(pid == 0 ? "" : $"pid {pid}")}</span> <span class="arrow" data-f="arrow">→</span> <span data-f="whom">{whom}</span></span></li>

        """);

    private static void AddAgent(Html html, TrafficView view, PageNode node)
    {
        var report = view.Report;
        html.Add($"""
            <section id="agent" class="card" aria-labelledby="agent-title">
            <div class="head"><h2 id="agent-title">Agent</h2></div>
            <h3>Hooks</h3>
            <table class="facts"><thead class="hidden"><tr><th scope="col">Operation</th><th scope="col">Backend</th><th scope="col">State</th></tr></thead><tbody id="hooks">

            """);
        foreach (var hooks in report.Hooks.GroupBy(hook => (hook.Operation, hook.State)))
        {
            AddHook(html, hooks.Key.Operation, string.Join(", ", hooks.Select(hook => hook.Backend)), hooks.Key.State);
        }

        html.Add($"</tbody></table><template id=\"hook-row\">");
        AddHook(html, "", "", HookReport.Attached);
        html.Add($"</template>\n<h3>Lost, by reason</h3>\n<p class=\"quiet\" id=\"no-losses\"");
        var lost = report.Losses.Where(loss => loss.Count > 0).ToList();
        html.Add($"""
            {(lost.Count > 0 ? " hidden" : "")}>Nothing, for any of <span data-f="reasons">{report.Losses.Count}</span> reasons.</p>
            <table class="facts"><thead class="hidden"><tr><th scope="col">Stage and reason</th><th scope="col">Lost</th></tr></thead><tbody id="losses">

            """);
        foreach (var loss in lost)
        {
            AddFact(html, $"{loss.Stage}: {loss.Reason}", Count(loss.Count));
        }

        html.Add($"</tbody></table><template id=\"fact-row\">");
        AddFact(html, "", "");
        html.Add($"""
            </template>
            <h3>Own cost</h3>
            <table class="facts"><thead class="hidden"><tr><th scope="col">What</th><th scope="col">How much</th></tr></thead><tbody id="cost">

            """);
        AddFact(html, "Processor", node.CpuShare is { } share ? Percent(share) : "not known yet");
        AddFact(html, "Memory", ReadableText.Bytes(Environment.WorkingSet));
        AddFact(html, "A reading of the totals", ReadableText.Duration(report.Duration.TotalNanoseconds));
        AddFact(html, "Edges", $"{Count(report.Series.Length)} of {Count(report.Budget.Limit)}");
        html.Add($"""
            </tbody></table>
            <details><summary>Programs in the kernel</summary>
            <table class="facts"><thead><tr><th scope="col">Program</th><th scope="col">Runs</th><th scope="col">Each</th></tr></thead><tbody id="programs">

            """);
        foreach (var program in report.Programs)
        {
            AddProgram(html, program.Program, Count(program.Runs), program.Runs > 0 ? ReadableText.Duration(program.RunTime.TotalNanoseconds / program.Runs) : "");
        }

        html.Add($"</tbody></table><template id=\"program-row\">");
        AddProgram(html, "", "", "");
        html.Add($"""
            </template></details>
            <details><summary>Maps in the kernel</summary>
            <table class="facts"><thead><tr><th scope="col">Map</th><th scope="col">Entries</th></tr></thead><tbody id="maps">

            """);
        foreach (var map in report.Maps)
        {
            AddFact(html, map.Map, map.MaxEntries > 0 ? $"{Count(map.Entries)} of {Count(map.MaxEntries)}" : Count(map.Entries));
        }

        html.Add($"</tbody></table></details></section>\n");
    }

    private static void AddHook(Html html, string operation, string backend, string state) => html.Add(
        $"<tr{(state == HookReport.Attached ? "" : " class=\"failing\"")}><th scope=\"row\" data-f=\"operation\">{operation}</th><td data-f=\"backend\">{backend}</td><td class=\"num\" data-f=\"state\">{state}</td></tr>\n");

    private static void AddProgram(Html html, string program, string runs, string each) => html.Add(
        $"<tr><th scope=\"row\" data-f=\"program\">{program}</th><td class=\"num\" data-f=\"runs\">{runs}</td><td class=\"num\" data-f=\"each\">{each}</td></tr>\n");

    private static void AddFact(Html html, string name, string value) => html.Add(
        $"<tr><th scope=\"row\" data-f=\"name\">{name}</th><td class=\"num\" data-f=\"value\">{value}</td></tr>\n");

    /// <summary>The edge of the address, in short; the script makes more of it.</summary>
    private static void AddDetail(Html html, EdgeRow? given)
    {
        html.Add($"<section id=\"detail\" class=\"detail\" aria-labelledby=\"detail-title\" tabindex=\"-1\"");
        if (given is not { } row)
        {
            html.Add($" hidden></section>\n");
            return;
        }

        var totals = row.Series.Totals;
        html.Add($"""
            ><div class="head"><h2 id="detail-title">{EdgeText.Workload(row.Edge)} {(row.Edge.NetworkRole == "server" ? "←" : "→")} {EdgeText.Peer(row.Edge)}</h2><p><a href="?">Close</a></p></div>
            <table class="facts"><tbody>

            """);
        for (var i = 0; i < MetricCatalogue.EdgeAttributeNames.Length; i++)
        {
            if (MetricCatalogue.EdgeLabel(row.Edge, i) is { Length: > 0 } value)
            {
                AddFact(html, MetricCatalogue.EdgeAttributeNames[i], value);
            }
        }

        AddFact(html, "bytes sent", Count((long)totals.BytesSent));
        AddFact(html, "bytes received", Count((long)totals.BytesReceived));
        AddFact(html, "sends", Count((long)totals.Sends));
        AddFact(html, "receives", Count((long)totals.Receives));
        AddFact(html, "connections", Count((long)row.Connections));
        AddFact(html, "open now", Count(row.Series.Open));
        AddFact(html, "retransmits", Count((long)totals.Retransmits));
        foreach (var failure in row.Series.Failures)
        {
            AddFact(html, $"{Kernel.SocketOperationNames.Name(failure.Operation)}: {failure.ErrorType}", Count((long)failure.Count));
        }

        html.Add($"</tbody></table></section>\n");
    }

    private static string ColumnTitle(string column) => column switch
    {
        "rate" => "Busiest",
        "out" => "Sending fastest",
        "in" => "Receiving fastest",
        "sent" => "Sent most",
        "received" => "Received most",
        "open" => "Most open",
        "connections" => "Most connections",
        "failures" => "Most failures",
        "workload" => "By workload",
        "peer" => "By peer",
        _ => "By port",
    };

    private static string Address(EdgeQuery query, string sort, bool isDescending, int offset) =>
        $"?q={Uri.EscapeDataString(query.Text)}&sort={sort}&order={(isDescending ? "desc" : "asc")}"
        + (offset > 0 ? string.Create(CultureInfo.InvariantCulture, $"&offset={offset}") : "");

    private static string Owner(EdgeAttributes edge) => string.Join(" · ", new[]
    {
        EdgeText.Kind(edge.WorkloadKind, edge.WorkloadNamespace),
        edge.ProcessExecutableName == edge.WorkloadName ? "" : edge.ProcessExecutableName,
    }.Where(part => part.Length > 0));

    private static string PeerSub(EdgeAttributes edge) => edge.PeerName.Length > 0 ? EdgeText.Kind(edge.PeerKind, edge.PeerNamespace) : "";

    private static string How(EdgeAttributes edge) => string.Join(" · ", new[]
    {
        edge.NetworkTransport + (edge.NetworkType == "ipv6" ? "6" : ""), edge.NetworkRole,
    }.Where(part => part.Length > 0));

    private static string PeerOf(NamedRecord record)
    {
        var port = record.Record.RemotePort;
        var name = record.Edge.PeerName.Length > 0 ? record.Edge.PeerName : record.Record.Edge.PeerAddress.ToString();
        return port == 0 ? name : string.Create(CultureInfo.InvariantCulture, $"{name}:{port}");
    }

    private static string EventsNote(PageNode node) => node.EventCount > node.RecordLimit
        ? $"the last {Count(node.RecordLimit)} of {Count(node.EventCount)}"
        : "";

    private static string Matched(int matched, int all) => matched == all ? Count(all) : $"{Count(matched)} of {Count(all)}";

    private static string Range(int offset, int shown, int matched) => shown == 0
        ? ""
        : string.Create(CultureInfo.InvariantCulture, $"{offset + 1:N0}–{offset + shown:N0} of {matched:N0}");

    private static string Rate(double perSecond) => perSecond > 0 ? $"{ReadableText.Bytes(perSecond)}/s" : "0";

    private static string PerSecond(double perSecond) => perSecond > 0
        ? string.Create(CultureInfo.InvariantCulture, $"{perSecond.ToString(perSecond < 99.95 ? "0.#" : "N0", CultureInfo.InvariantCulture)}/s")
        : "0";

    private static string Percent(double share) => (100 * share).ToString("0.##", CultureInfo.InvariantCulture) + " %";

    private static string Count(long count) => count.ToString("N0", CultureInfo.InvariantCulture);

    private static string Time(DateTimeOffset time) => time == default ? "never" : time.ToString("HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);
}
