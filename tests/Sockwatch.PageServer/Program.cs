using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Sockwatch.Aggregation;
using Sockwatch.Diagnostics;
using Sockwatch.Exporters;
using Sockwatch.PageServer;
using Sockwatch.Reader;
using Sockwatch.Verdicts;

// The agent's real aggregation, listener and page, over a made-up node: for the page's tests, which steer it by lines of standard
// input. Usage: Sockwatch.PageServer [edges=10000] [still] [hostile] [norecords] [http.listen=127.0.0.1:0]
var node = new MadeUpNode
{
    IsStill = args.Contains("still"),
    Edges = int.Parse(Value("edges") ?? "40", System.Globalization.CultureInfo.InvariantCulture),
    IsHostile = args.Contains("hostile"),
};
var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
{
    ["http:listen"] = Value("http.listen") ?? "127.0.0.1:0",
    ["aggregation:maxSeries"] = "60000",
    ["aggregation:maxHistogramSeries"] = "60000",
    ["http:recentRecords"] = "200",
});
builder.Services.AddSingleton<IKernelTotals>(node);
builder.Services.AddSingleton<IEdgeNaming>(node);
builder.Services.AddSingleton<IFlowNaming>(node);
var detections = new Detections(TimeProvider.System);
detections.NumberOf(31, "anonymising proxy"u8);
builder.Services.AddSingleton(detections);
if (!args.Contains("norecords"))
{
    builder.Services.AddFlowExporters();
}

builder.Services.AddAggregation().AddExporters();
using var host = builder.Build();
var health = host.Services.GetRequiredService<Health>();
host.Services.GetRequiredService<HookState>().Current = MadeUpNode.Hooks;
health.Met(Health.Hooks);
await host.StartAsync();
Console.WriteLine(host.Services.GetRequiredService<AgentHttpServer>().Address);

var sink = host.Services.GetService<IFlowRecordSink>();
while (await Console.In.ReadLineAsync() is { } line)
{
    switch (line.Split(' ', 2))
    {
        case ["still"]:
            node.IsStill = true;
            break;
        case ["move"]:
            node.IsStill = false;
            break;
        case ["edge", var name]:
            node.AddBusiest(name);
            break;
        case ["fail", var count] when sink is not null:
            node.Fail(sink, int.Parse(count, System.Globalization.CultureInfo.InvariantCulture));
            break;
        case ["detect", var executable] when sink is not null:
            node.Detect(sink, executable);
            break;
        case ["lose"]:
            node.Lose();
            break;
        case ["blind"]:
            health.NotMet(Health.Hooks, "send: this kernel refuses <b>tp_btf</b>");
            break;
        case ["forget"]:
            node.ForgetBusiest();
            break;
        default:
            Console.WriteLine($"unknown: {line}");
            continue;
    }

    Console.WriteLine("ok");
}

await host.StopAsync();

string? Value(string name) => args.FirstOrDefault(argument => argument.StartsWith($"{name}=", StringComparison.Ordinal))?[(name.Length + 1)..];
