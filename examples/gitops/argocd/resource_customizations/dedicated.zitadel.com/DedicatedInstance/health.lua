-- Judges as kstatus does, so that Argo CD, Flux and Helm agree. One difference: an instance whose status
-- was not written yet is Progressing. Side conditions never count: Ready alone says whether it serves.
local function judge(status, message)
  return { status = status, message = message }
end

if obj.metadata.deletionTimestamp ~= nil then
  return judge("Progressing", "The instance is being deleted")
end
local status = obj.status
if status == nil or status.conditions == nil or status.observedGeneration ~= obj.metadata.generation then
  return judge("Progressing", "Waiting for the operator to see this version of the spec")
end

local found = {}
for _, condition in ipairs(status.conditions) do
  found[condition.type] = condition
end
local ready, reconciling, stalled = found.Ready, found.Reconciling, found.Stalled

if stalled ~= nil and stalled.status == "True" then
  return judge("Degraded", stalled.message)
end
if reconciling ~= nil and reconciling.status == "True" then
  return judge("Progressing", reconciling.message)
end
if ready ~= nil and ready.status == "True" then
  return judge("Healthy", ready.message)
end
if ready ~= nil then
  return judge("Progressing", ready.message)
end
return judge("Progressing", "Waiting for the operator to judge the instance")
