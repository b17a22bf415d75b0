using Sockwatch.Commands;
using Sockwatch.Kernel;

return await CommandLine.RunAsync(args, new CommandContext
{
    Composition = new AgentComposition(),
    Terminal = Terminal.OfProcess(),
    KeepOnly = Privileges.KeepOnly,
});
