using System.Text;
using Sockwatch.Verdicts;

namespace Sockwatch.Control.Features;

/// <summary><c>verdict.add</c>, <c>remove</c> and <c>list</c>: entries that are added while the agent runs.</summary>
internal sealed class VerdictControl(AddedVerdicts added, TimeProvider time) : IControlFeature
{
    private const double LongestSeconds = 365 * 24 * 3600.0;

    public void Register(ControlHandlers handlers)
    {
        handlers.On(ControlRequests.VerdictAdd, (arguments, _, _) => ValueTask.FromResult(Add(arguments)));
        handlers.On(ControlRequests.VerdictRemove, (arguments, _, _) => ValueTask.FromResult(Remove(arguments)));
        handlers.On(ControlRequests.VerdictList, async (_, stream, cancellation) =>
        {
            var now = time.GetUtcNow();
            foreach (var entry in added.List())
            {
                if (stream.Stopped.IsCancellationRequested)
                {
                    break;
                }

                await stream.SendAsync(
                    new VerdictEntry(
                        entry.Network, entry.Kind is null ? "allow" : "detect", entry.Kind?.Classification ?? 0, entry.Kind?.Name ?? "",
                        Math.Max(0, (entry.ExpiresAt - now).TotalSeconds)),
                    cancellation).ConfigureAwait(false);
            }

            return new Done();
        });
    }

    public static TimeSpan Duration(double seconds) => seconds is > 0 and <= LongestSeconds
        ? TimeSpan.FromSeconds(seconds)
        : throw new ControlException(ControlErrors.BadArgument, $"{seconds} s is no duration; expected more than 0 s and at most a year");

    private Done Add(VerdictEntry entry)
    {
        var (address, length) = Parse(entry.Network);
        (uint Classification, string Name)? kind = entry.Verdict switch
        {
            "allow" => null,
            "detect" => (entry.Classification, entry.Name),
            _ => throw new ControlException(ControlErrors.BadArgument, "a verdict is allow or detect"),
        };
        return added.Add(address, length, kind, entry.Seconds is { } seconds ? Duration(seconds) : null) is { } done
            ? new Done($"until {done.ExpiresAt.UtcDateTime:yyyy-MM-ddTHH:mm:ssZ}; {added.Count} of {added.Limit}")
            : throw new ControlException(ControlErrors.Failed, "no entries may be added: verdicts.maxAdded is 0");
    }

    private Done Remove(VerdictRemoveArguments arguments)
    {
        var (address, length) = Parse(arguments.Network);
        return added.Remove(address, length)
            ? new Done()
            : throw new ControlException(
                ControlErrors.BadArgument, $"{VerdictLine.Format(address, length)} was not added; 'sockwatch ctl verdict list' shows what was. Entries of files change with their files");
    }

    private static (UInt128 Address, int Length) Parse(string network) =>
        VerdictLine.TryParseNetwork(Encoding.UTF8.GetBytes(network), out var address, out var length, out var error)
            ? (address, length)
            : throw new ControlException(ControlErrors.BadArgument, error!);
}
