using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Options;
using Sockwatch.Aggregation;
using Sockwatch.Control;
using Sockwatch.Control.Features;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;
using Sockwatch.Tests.Fakes;
using Sockwatch.Verdicts;

namespace Sockwatch.Tests.Control;

/// <summary>Whatever bytes come through the real socket, the agent goes on. SOCKWATCH_FUZZ_SECONDS lets it run for longer.</summary>
public sealed class ControlFuzzTests(ITestOutputHelper output)
{
    private static readonly string[] Valid =
    [
        RawClient.Hello,
        """{"name":"options","arguments":{"set":[{"key":"log.level","value":"warn"}]}}""",
        """{"name":"dump","arguments":{"sections":["maps","losses"],"maxRows":10}}""",
        """{"name":"trace","arguments":{"format":"text","choice":{"pids":[1],"networks":["10.0.0.0/8"],"operations":["connect"]},"maxLines":1}}""",
        """{"name":"verdict.add","arguments":{"network":"10.0.0.1","verdict":"detect","classification":7,"name":"x"}}""",
        """{"name":"verdict.add","arguments":{"network":"fd00::/8","verdict":"allow","seconds":5}}""",
        """{"name":"verdict.remove","arguments":{"network":"10.0.0.1"}}""",
        """{"name":"verdict.list","arguments":{}}""",
        """{"name":"limit","arguments":{"pid":17,"sockets":5,"seconds":1.5}}""",
        """{"name":"forget","arguments":{"pid":17}}""",
        """{"name":"reset","arguments":{}}""",
        """{"name":"top","arguments":{"seconds":0.1}}""",
    ];

    [Fact]
    public async Task Nothing_that_can_be_sent_ends_the_agent()
    {
        var seconds = double.Parse(Environment.GetEnvironmentVariable("SOCKWATCH_FUZZ_SECONDS") ?? "2", System.Globalization.CultureInfo.InvariantCulture);
        var seed = int.Parse(Environment.GetEnvironmentVariable("SOCKWATCH_FUZZ_SEED") ?? "20261125", System.Globalization.CultureInfo.InvariantCulture);
        var random = new Random(seed);
        var patience = new ControlPatience { Hello = TimeSpan.FromMilliseconds(50), Message = TimeSpan.FromMilliseconds(50), Idle = TimeSpan.FromMilliseconds(50) };
        var limits = new AnyLimits();
        var added = new AddedVerdicts(
            Options.Create(new VerdictOptions { MaxAdded = 100 }), new Detections(TimeProvider.System), new KernelLists(), new ListStatus(), new LossLedger(), TimeProvider.System);
        await using var agent = await ControlledAgent.StartAsync(
            patience: patience,
            more:
            [
                new VerdictControl(added, TimeProvider.System), new ProcessControl(limits),
                new TopControl(new FixedReport(TrafficReport.Empty), TimeProvider.System),
            ]);
        var until = DateTime.UtcNow + TimeSpan.FromSeconds(seconds);
        var clients = 0;

        while (DateTime.UtcNow < until)
        {
            await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => AttackAsync(agent, Message(random), random.Next(4))));
            clients += 8;
        }

        await ControlledAgent.UntilAsync(() => agent.Use is { Clients: 0, Traces: 0 });
        using var client = await agent.ClientAsync();
        await client.AskAsync(ControlRequests.Options, new OptionsArguments([]), CancellationToken.None);
        output.WriteLine($"{clients} clients, seed {seed}: {string.Join(", ", agent.Refusals.Read().Select(refusal => $"{refusal.Count} {refusal.Reason}"))}");
        Assert.True(agent.Refused(ControlErrors.Malformed) > 0);
        Assert.Equal(0, agent.Switches.Traces);
        Assert.InRange(added.Count, 0, 100);
        Assert.True(limits.Calls > 0);
    }

    private sealed class AnyLimits : IProcessLimits
    {
        private int _calls;

        public int Calls => _calls;

        public bool Set(uint pid, ulong? mostSockets, TimeSpan? time) => Interlocked.Increment(ref _calls) % 2 == 0;

        public bool Forget(uint pid) => Interlocked.Increment(ref _calls) % 2 == 0;

        public int Reset() => Interlocked.Increment(ref _calls);
    }

    private static async Task AttackAsync(ControlledAgent agent, byte[] bytes, int manner)
    {
        using var client = await agent.ConnectAsync();
        try
        {
            if (manner > 0)
            {
                await client.SayAsync(RawClient.Hello);
            }

            // At last the end of whatever goes on: a stream that has come about waits for it.
            await client.SendAsync(bytes);
            await client.SendAsync(RawClient.Frame('S', []));
            if (manner == 1)
            {
                client.Socket.Shutdown(SocketShutdown.Send);
            }

            if (manner < 3)
            {
                while ((await client.HearAsync()).Length > 0)
                {
                }
            }
        }
        catch (SocketException)
        {
            // Let go in the middle.
        }
    }

    private static byte[] Message(Random random)
    {
        switch (random.Next(5))
        {
            case 0:
                var noise = new byte[random.Next(200)];
                random.NextBytes(noise);
                return noise;
            case 1:
                var body = new byte[random.Next(2_000)];
                random.NextBytes(body);
                return RawClient.Frame((char)random.Next(256), body);
            case 2:
                // A message with bits turned over, sometimes in its length.
                var frame = RawClient.Frame('Q', Encoding.UTF8.GetBytes(Valid[random.Next(Valid.Length)]));
                for (var flips = random.Next(1, 6); flips > 0; flips--)
                {
                    frame[random.Next(random.Next(3) == 0 ? 5 : 0, frame.Length)] ^= (byte)(1 << random.Next(8));
                }

                return frame;
            case 3:
                // What is right as it is, whatever came before.
                return [.. Enumerable.Range(0, random.Next(1, 5)).SelectMany(_ => RawClient.Frame('Q', Encoding.UTF8.GetBytes(Valid[random.Next(Valid.Length)])))];
            default:
                // Parts of messages one after the other, nested too deep, and cut off.
                var text = Valid[random.Next(Valid.Length)];
                var other = Valid[random.Next(Valid.Length)];
                var cut = random.Next(text.Length);
                var spliced = string.Concat(text[..cut], new string('[', random.Next(30)), other[random.Next(other.Length)..]);
                return [.. RawClient.Frame('Q', Encoding.UTF8.GetBytes(spliced)), .. RawClient.Frame('S', []), .. RawClient.Frame('Q', Encoding.UTF8.GetBytes(other))];
        }
    }
}
