namespace Sockwatch.Exporters;

/// <summary>
/// How much each process has had of a moment's room, as far as some hundred counters can tell: processes whose pids fall together share
/// one. Nothing is kept longer than the moment.
/// </summary>
internal sealed class QueueShares(int share)
{
    private const int Places = 1024;
    private const int MomentShift = 7;

    private readonly int[] _taken = new int[Places];
    private long _moment;

    public bool TryTake(uint pid)
    {
        // An eighth of a second.
        var moment = Environment.TickCount64 >> MomentShift;
        if (moment != _moment)
        {
            _moment = moment;
            Array.Clear(_taken);
        }

        // A queue too short to be shared out is first come, first served.
        return share == 0 || ++_taken[pid % Places] <= share;
    }
}
