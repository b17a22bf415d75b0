using System.Globalization;
using Sockwatch.Kernel;

namespace Sockwatch.Control.Features;

/// <summary><c>limit</c>, <c>forget</c> and <c>reset</c>: which processes are followed, and how far.</summary>
internal sealed class ProcessControl(IProcessLimits limits) : IControlFeature
{
    public void Register(ControlHandlers handlers)
    {
        handlers.On(ControlRequests.Limit, (arguments, _, _) => ValueTask.FromResult(Limit(arguments)));
        handlers.On(ControlRequests.Forget, (arguments, _, _) => ValueTask.FromResult(
            new Done(limits.Forget(arguments.Pid) ? null : "nothing was known of it")));
        handlers.On(ControlRequests.Reset, (_, _, _) => ValueTask.FromResult(
            new Done(string.Create(CultureInfo.InvariantCulture, $"{limits.Reset()} had a limit"))));
    }

    private Done Limit(LimitArguments arguments)
    {
        if (arguments.Sockets is null && arguments.Seconds is null)
        {
            return new Done(limits.Forget(arguments.Pid) ? null : "it had none");
        }

        if (!limits.Set(arguments.Pid, arguments.Sockets, arguments.Seconds is { } seconds ? VerdictControl.Duration(seconds) : null))
        {
            throw new ControlException(ControlErrors.BadArgument, $"there is no process {arguments.Pid}; expected a process id as the host sees it");
        }

        return new Done("past it, no flow records; it is counted as before, and detections are told");
    }
}
