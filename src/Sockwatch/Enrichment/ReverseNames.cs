using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Sockwatch.Diagnostics;
using Sockwatch.Kernel;

namespace Sockwatch.Enrichment;

/// <summary>
/// Asks the host's resolver who has an address, if the operator wants that. Nobody waits for it: an address is asked about in the
/// background, a few a second at most, and named from then on. Whoever has an address can let it claim any name, so only a name
/// that leads back to the address counts. Any thread may call it.
/// </summary>
internal sealed class ReverseNames : IDisposable
{
    private const int MaxWaiting = 256;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan AskAgainAfter = TimeSpan.FromHours(1);

    private readonly IReverseResolver _resolver;
    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private readonly BoundedCache<Address16, Known> _known;
    private readonly Channel<Address16> _waiting = Channel.CreateBounded<Address16>(new BoundedChannelOptions(MaxWaiting) { SingleReader = true });
    private readonly CancellationTokenSource _ending = new();
    private Task? _asking;

    public ReverseNames(IReverseResolver resolver, CacheLedger caches, TimeProvider time, int limit)
    {
        _resolver = resolver;
        _time = time;
        _known = new BoundedCache<Address16, Known>(limit);
        caches.Follow("reverse_names", () => _known.Evictions);
    }

    /// <summary>Null while it is not known; then it has been asked for, unless too many others wait.</summary>
    public string? Find(in Address16 address)
    {
        lock (_lock)
        {
            if (_known.TryGet(address, out var known) && (known.IsAsked || _time.GetElapsedTime(known.At) < AskAgainAfter))
            {
                return known.Name;
            }

            if (!_waiting.Writer.TryWrite(address))
            {
                return known?.Name;
            }

            _known.Add(address, new Known(known?.Name, _time.GetTimestamp(), IsAsked: true));
            _asking ??= Task.Run(() => AskAsync(_ending.Token), CancellationToken.None);
            return known?.Name;
        }
    }

    public void Dispose()
    {
        _ending.Cancel();
        _ending.Dispose();
    }

    private async Task AskAsync(CancellationToken ending)
    {
        try
        {
            await foreach (var address in _waiting.Reader.ReadAllAsync(ending).ConfigureAwait(false))
            {
                var name = await NameOfAsync(address, ending).ConfigureAwait(false);
                lock (_lock)
                {
                    _known.Add(address, new Known(name, _time.GetTimestamp(), IsAsked: false));
                }

                await Task.Delay(Pause, _time, ending).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // Stopping.
        }
    }

    private async Task<string?> NameOfAsync(Address16 address, CancellationToken ending)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ending);
        patience.CancelAfter(Patience);
        try
        {
            var name = await _resolver.NameOfAsync(address.ToIPAddress(), patience.Token).ConfigureAwait(false);
            if (string.IsNullOrEmpty(name) || IPAddress.TryParse(name, out _))
            {
                return null;
            }

            var addresses = await _resolver.AddressesOfAsync(name, patience.Token).ConfigureAwait(false);
            return addresses.Any(one => Address16.From(one) == address) ? PrintableText.Of(name.TrimEnd('.').ToLowerInvariant(), EdgeNaming.MaxNameLength) : null;
        }
        catch (Exception failure) when (failure is SocketException or ArgumentException || (failure is OperationCanceledException && !ending.IsCancellationRequested))
        {
            // No name, or no answer: either way there is none for the next hour.
            return null;
        }
    }

    private sealed record Known(string? Name, long At, bool IsAsked);
}
