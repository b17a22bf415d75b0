using System.Diagnostics;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging.Abstractions;
using Sockwatch.Diagnostics;
using Sockwatch.Enrichment.Kubernetes;
using Sockwatch.Enrichment.Kubernetes.Api;
using Sockwatch.Tests.Enrichment.Kubernetes.Server;

namespace Sockwatch.Tests.Enrichment.Kubernetes;

/// <summary>What an agent does when the server or the way to it is in trouble: names stay, and the server is not made to suffer.</summary>
public sealed class ApiTroubleTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_version_that_is_too_old_leads_to_a_new_list_without_losing_names(bool asStatus)
    {
        await using var server = await ApiServer.StartAsync();
        server.ExpiryIsStatus = asStatus;
        var stays = new Pod("stays") { Ips = ["10.1.0.1"] };
        var goes = new Pod("goes") { Ips = ["10.1.0.2"] };
        server.Store.Put(stays);
        server.Store.Put(goes);
        await using var names = await RunningNames.StartAsync(server);
        await names.UntilAsync(() => server.Count("watch ") == 4, "all are watched");

        // While nobody listens: one goes, one comes, and the server forgets how.
        server.Misbehave = context => Refuse(context, 503);
        server.Cut();
        await names.UntilAsync(() => names.Restarts("failed") >= 4, "all watches are cut");
        Assert.NotNull(names.Pod(stays));
        server.Store.Delete(goes);
        var comes = new Pod("comes") { Ips = ["10.1.0.3"] };
        server.Store.Put(comes);
        server.Store.Compact();
        server.Misbehave = null;

        await names.UntilAsync(() => names.Pod(comes) is not null && names.IsCurrent && names.Restarts("gone") == 4, "listed anew");
        Assert.Equal(2, names.Names.Pods.Count);
        Assert.NotNull(names.Pod(goes));
        Assert.Equal("pod shop/Pod/stays", names.Peer("10.1.0.1"));
    }

    [Fact]
    public async Task A_list_whose_pages_expire_is_begun_again()
    {
        await using var server = await ApiServer.StartAsync();
        server.PagesOutOfCache = true;
        server.Store.Fill(Enumerable.Range(0, 1200).Select(i => new Pod($"p{i}").Stored()));
        var compactions = 0;
        server.Misbehave = context =>
        {
            if (context.Request.Query.ContainsKey("continue") && Interlocked.Increment(ref compactions) == 1)
            {
                server.Store.PutService("shop", "later", ["None"]);
                server.Store.Compact();
            }

            return Task.FromResult(false);
        };

        await using var names = await RunningNames.StartAsync(server, KubernetesScope.Off);

        Assert.Equal(1200, names.Names.Pods.Count);
        Assert.Equal(1, names.Restarts("gone"));
    }

    [Fact]
    public async Task Bookmarks_keep_a_quiet_watch_from_growing_too_old()
    {
        await using var server = await ApiServer.StartAsync();
        server.BookmarkInterval = TimeSpan.FromMilliseconds(50);
        server.Store.PutService("shop", "quiet", ["10.96.0.1"]);
        var patience = RunningNames.Hasty with { ShortestWatch = TimeSpan.FromSeconds(1), LongestWatch = TimeSpan.FromSeconds(1.9) };
        await using var names = await RunningNames.StartAsync(server, KubernetesScope.Node, patience);

        // Services are silent; pods are what moves the versions on.
        for (var i = 0; i < 20; i++)
        {
            server.Store.Put(new Pod($"busy{i}"));
            await Task.Delay(20);
        }

        await names.UntilAsync(() => names.Restarts("ended") >= 4, "watches end and begin", 15);
        server.Store.Compact();
        var before = server.Count("watch /api/v1/services");
        await names.UntilAsync(() => server.Count("watch /api/v1/services") > before, "the next watch");

        Assert.Equal(1, server.Count("list /api/v1/services"));
        Assert.Contains(server.Requests, request => request.Contains("watch /api/v1/services", StringComparison.Ordinal)
            && long.Parse(request.Split("resourceVersion=")[1].Split('&')[0], System.Globalization.CultureInfo.InvariantCulture) > 1015);
    }

    [Fact]
    public async Task A_server_that_is_busy_is_left_alone_for_as_long_as_it_asks()
    {
        await using var server = await ApiServer.StartAsync();
        var refused = 0;
        var askedAt = new List<long>();
        server.Misbehave = async context =>
        {
            if (!context.Request.Query.ContainsKey("watch"))
            {
                askedAt.Add(Stopwatch.GetTimestamp());
                if (Interlocked.Increment(ref refused) <= 2)
                {
                    await ApiServer.StatusAsync(context, 429, "TooManyRequests", "too many requests", retryAfter: 1);
                    return true;
                }
            }

            return false;
        };

        await using var names = await RunningNames.StartAsync(server, KubernetesScope.Off);

        Assert.Equal(3, askedAt.Count);
        Assert.All(askedAt.Zip(askedAt.Skip(1)), pair => Assert.True(Stopwatch.GetElapsedTime(pair.First, pair.Second) >= TimeSpan.FromSeconds(1)));
    }

    [Fact]
    public async Task Pauses_grow_have_a_limit_and_are_never_two_times_the_same()
    {
        var pause = new RetryPause(ApiPatience.Usual, TimeProvider.System, new Random(1));
        var other = new RetryPause(ApiPatience.Usual, TimeProvider.System, new Random(2));

        var mine = Enumerable.Range(0, 12).Select(_ => pause.Next(null)).ToArray();
        var others = Enumerable.Range(0, 12).Select(_ => other.Next(null)).ToArray();

        Assert.InRange(mine[0], TimeSpan.FromSeconds(0.5), TimeSpan.FromSeconds(1));
        Assert.InRange(mine[11], TimeSpan.FromSeconds(15), TimeSpan.FromSeconds(30));
        Assert.Empty(mine.Intersect(others));
        Assert.True(pause.Next(new ApiException("wait", HttpStatusCode.TooManyRequests, TimeSpan.FromMinutes(5))) >= TimeSpan.FromMinutes(5));
        Assert.InRange(
            pause.Next(new ApiException("wait", HttpStatusCode.TooManyRequests, TimeSpan.FromSeconds(9_999_999))), TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(6));
        await Task.CompletedTask;
    }

    [Fact]
    public async Task An_outage_that_ends_with_a_version_that_is_too_old_is_not_paid_for_twice()
    {
        await using var server = await ApiServer.StartAsync();
        server.Store.Put(new Pod("stays"));
        var patience = RunningNames.Hasty with { FirstPause = TimeSpan.FromMilliseconds(100), LongestPause = TimeSpan.FromSeconds(30) };
        await using var names = await RunningNames.StartAsync(server, KubernetesScope.Off, patience);
        await names.UntilAsync(() => server.Count("watch ") == 1, "it is watched");

        server.Misbehave = context => Refuse(context, 503);
        server.Cut();
        await names.UntilAsync(() => names.Restarts("failed") >= 6, "the pause has grown to three seconds");
        var comes = new Pod("comes");
        server.Store.Put(comes);
        server.Store.Compact();
        bool? wasCurrent = null;
        server.Misbehave = context =>
        {
            if (!context.Request.Query.ContainsKey("watch"))
            {
                wasCurrent ??= names.IsCurrent;
            }

            return Task.FromResult(false);
        };
        await names.UntilAsync(() => names.Restarts("gone") == 1, "the server forgot");
        var gone = Stopwatch.GetTimestamp();
        await names.UntilAsync(() => names.Pod(comes) is not null && names.IsCurrent, "listed anew");

        Assert.InRange(Stopwatch.GetElapsedTime(gone), TimeSpan.Zero, TimeSpan.FromSeconds(1.5));
        Assert.False(wasCurrent);
    }

    [Fact]
    public async Task A_mistake_of_ours_is_said_and_all_is_listed_again()
    {
        await using var server = await ApiServer.StartAsync();
        server.Store.PutService("shop", "orders", ["10.96.0.1"]);
        var ledger = new ApiLedger();
        var sink = new MistakenSink(mistakes: 2);
        using var connection = new ApiConnection(() => new() { Host = server.Url.ToString() }, "sockwatch/test");
        using var stop = new CancellationTokenSource();
        ledger.Follow("services", () => 0);
        var watch = new ResourceWatch<ServiceObject>(
            new ApiResource("services", "/api/v1/services"), new KubernetesApi(connection, ledger, RunningNames.Hasty), ApiJson.Default.ServiceObject, sink,
            RunningNames.Hasty, ledger, new LossLedger(), TimeProvider.System, NullLogger.Instance);

        var running = watch.RunAsync(stop.Token);
        await Task.WhenAny(running, sink.Taken.Task).WaitAsync(TimeSpan.FromSeconds(20));

        Assert.True(sink.Taken.Task.IsCompletedSuccessfully);
        Assert.Equal(2, ledger.Restarts().Single(one => one.Reason == "failed").Count);
        await stop.CancelAsync();
        await running;
    }

    [Fact]
    public async Task A_server_that_is_away_leaves_all_names_and_is_found_again()
    {
        var server = await ApiServer.StartAsync();
        var port = server.Url.Port;
        var pod = new Pod("stays") { Ips = ["10.1.0.1"] };
        for (var i = 0; i < 10; i++)
        {
            server.Store.Put(pod);
        }

        await using var names = await RunningNames.StartAsync(server);
        await server.DisposeAsync();
        await names.UntilAsync(() => names.Ledger.Followed().All(one => !one.IsCurrent), "nothing is current");
        await Task.Delay(500);

        Assert.NotNull(names.Pod(pod));
        Assert.Equal("pod shop/Pod/stays", names.Peer("10.1.0.1"));

        // Another server, restored from a backup: its versions are older than what we have seen.
        await using var restored = await ApiServer.StartAsync(port: port);
        var young = new Pod("young");
        restored.Store.Put(young);
        await names.UntilAsync(() => names.Pod(young) is not null && names.IsCurrent, "the other server is followed");
        Assert.Equal(1, names.Names.Pods.Count);
    }

    [Fact]
    public async Task Slow_answers_are_waited_for_and_silent_ones_are_not()
    {
        await using var server = await ApiServer.StartAsync();
        server.Store.Put(new Pod("slow") { Ips = ["10.1.0.1"] });
        server.Slowness = (40, TimeSpan.FromMilliseconds(5));
        await using var names = await RunningNames.StartAsync(server, KubernetesScope.Off);
        Assert.Equal(0, names.Restarts("failed"));

        server.Slowness = (0, TimeSpan.Zero);
        server.Cut();
        var silent = 0;
        server.Misbehave = async context =>
        {
            if (Interlocked.Increment(ref silent) == 1)
            {
                await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
                return true;
            }

            return false;
        };
        server.Cut();

        await names.UntilAsync(() => silent >= 2 && names.IsCurrent, "the silent answer is given up");
    }

    [Fact]
    public async Task What_is_cut_in_the_middle_goes_on_where_it_was()
    {
        await using var server = await ApiServer.StartAsync();
        await using var names = await RunningNames.StartAsync(server);
        using var stop = new CancellationTokenSource();
        var cutting = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                await Task.Delay(60);
                server.Cut();
            }
        });

        var pods = Enumerable.Range(0, 200).Select(i => new Pod($"p{i}") { Ips = [$"10.1.0.{i}"] }).ToArray();
        foreach (var pod in pods)
        {
            server.Store.Put(pod);
            await Task.Delay(5);
        }

        await stop.CancelAsync();
        await cutting;
        await names.UntilAsync(() => names.Names.Pods.Count == 200, "all pods are known");
        Assert.Equal(4, server.Count("list "));
        Assert.True(names.Restarts("failed") > 3);
    }

    [Fact]
    public async Task Answers_that_are_none_are_tried_again()
    {
        await using var server = await ApiServer.StartAsync();
        var wrong = 0;
        server.Misbehave = async context =>
        {
            if (Interlocked.Increment(ref wrong) > 3)
            {
                return false;
            }

            context.Response.StatusCode = wrong == 1 ? 200 : wrong == 2 ? 302 : 500;
            await context.Response.WriteAsync("<html>\0\xff log in</html>");
            return true;
        };

        await using var names = await RunningNames.StartAsync(server, KubernetesScope.Off);

        Assert.Equal(3, names.Restarts("failed"));
    }

    [Fact]
    public async Task A_missing_right_is_said_once_and_the_rest_goes_on()
    {
        await using var server = await ApiServer.StartAsync();
        server.Rights.UnionWith(["list pods", "watch pods", "list services", "watch services"]);
        var pod = new Pod("here") { Owner = ("Job", "odd") };
        server.Store.Put(pod);
        var log = new Lines();
        await using var names = await RunningNames.StartAsync(
            RunningNames.OptionsOf(), () => new() { Host = server.Url.ToString() }, wait: false, logger: log);
        await names.UntilAsync(() => server.Count("list /api/v1/nodes") >= 3 && names.Pod(pod) is not null, "the rest goes on");

        Assert.Single(log.Written, line => line.Contains("does not let the agent see nodes", StringComparison.Ordinal) && line.Contains("list and watch of nodes", StringComparison.Ordinal));
        Assert.Single(log.Written, line => line.Contains("does not let the agent get jobs", StringComparison.Ordinal));
        Assert.Equal("Job", names.Pod(pod)!.Workload.Kind);

        server.Rights.Clear();
        await names.UntilAsync(() => names.IsCurrent, "the right is used once it is granted");
    }

    [Theory]
    [InlineData(HttpProtocols.Http1)]
    [InlineData(HttpProtocols.Http1AndHttp2)]
    public async Task Tokens_certificates_and_authorities_are_taken_as_they_are_replaced(HttpProtocols protocols)
    {
        using var folder = new TemporaryFolder();
        using var authority = Certificates.Authority("first");
        using var next = Certificates.Authority("second");
        await using var server = await ApiServer.StartAsync(Certificates.Of("127.0.0.1", authority), protocols: protocols);
        server.Tokens.Add("one");
        folder.Write("token", "one\n");
        folder.Write("ca.crt", authority.ExportCertificatePem());
        var account = new ServiceAccount(
            name => name switch { "KUBERNETES_SERVICE_HOST" => "127.0.0.1", "KUBERNETES_SERVICE_PORT" => $"{server.Url.Port}", _ => null }, folder.Path);
        var first = new Pod("first");
        server.Store.Put(first);
        await using var names = await RunningNames.StartAsync(RunningNames.OptionsOf(), account.Load);

        // The token is no longer good; the new one is in the file a moment later.
        server.Tokens.Clear();
        server.Tokens.Add("two");
        server.Cut();
        await names.UntilAsync(() => names.Ledger.Requests().Any(request => request.Outcome == "401"), "the token is refused");
        folder.Write("token", "two");
        var second = new Pod("second");
        server.Store.Put(second);
        await names.UntilAsync(() => names.IsCurrent && names.Pod(second) is not null, "the new token is used");

        // A certificate of the same authority, then one of another.
        server.Certificate = Certificates.Of("127.0.0.1", authority);
        server.Cut();
        var third = new Pod("third");
        server.Store.Put(third);
        await names.UntilAsync(() => names.IsCurrent && names.Pod(third) is not null, "the new certificate is taken");

        server.Certificate = Certificates.Of("127.0.0.1", next);
        server.Cut();
        await names.UntilAsync(() => names.Ledger.Requests().Any(request => request.Outcome == "unreachable"), "the unknown authority is refused");
        folder.Write("ca.crt", authority.ExportCertificatePem() + "\n" + next.ExportCertificatePem());
        var fourth = new Pod("fourth");
        server.Store.Put(fourth);
        await names.UntilAsync(() => names.IsCurrent && names.Pod(fourth) is not null, "the new authority is trusted");
        Assert.NotNull(names.Pod(first));
    }

    [Fact]
    public async Task A_server_with_the_wrong_name_is_not_spoken_to()
    {
        using var authority = Certificates.Authority("first");
        await using var server = await ApiServer.StartAsync(Certificates.Of("203.0.113.1", authority));
        await using var names = await RunningNames.StartAsync(
            RunningNames.OptionsOf(), () => new() { Host = server.Url.ToString(), SslCaCerts = [authority] }, wait: false);

        await names.UntilAsync(() => names.Restarts("failed") > 4, "it is refused");

        Assert.Empty(server.Requests);
    }

    private static async Task<bool> Refuse(HttpContext context, int code)
    {
        await ApiServer.StatusAsync(context, code, "ServiceUnavailable", "not now");
        return true;
    }

    private sealed class MistakenSink(int mistakes) : IResourceSink<ServiceObject>
    {
        public TaskCompletionSource Taken { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void BeginList()
        {
        }

        public void Put(ServiceObject item)
        {
            if (mistakes-- > 0)
            {
                throw new InvalidOperationException("a mistake");
            }
        }

        public void Remove(ServiceObject item)
        {
        }

        public void EndList() => Taken.TrySetResult();
    }
}
